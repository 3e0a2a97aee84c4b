import { closeSync, openSync, readSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import { hasErrno } from "./disk-error.ts";
import { REPAIR } from "./sqlite-error.ts";

/** https://sqlite.org/fileformat2.html#the_wal_header: the last bit says in which order checksums are computed. */
const MAGIC = 0x377f0682;

/** Stands where a log would while a repair puts a new database in place. */
export const CUT_OFF = "a repair was cut off";

/**
 * What is wrong with the write-ahead log of a database. SQLite passes over one that does not begin as a log does, and
 * with it over all that was written last, and says nothing. One of zeros lost its power before it was worth anything.
 */
export function findLogFault(path: string): string | undefined {
  const log = `${path}-wal`;
  const header = firstBytes(log, CUT_OFF.length);
  if (header.toString() === CUT_OFF) return `${CUT_OFF}, and is to be done again`;
  const magic = header.byteLength < 4 ? 0 : header.readUInt32BE(0);
  const known = magic === 0 || magic === MAGIC || magic === MAGIC + 1;
  return known ? undefined : `${log} is no write-ahead log: what was written last is lost`;
}

/** Throws `data_loss` where the log of a database is none. */
export function refuseForeignLog(path: string): void {
  const why = findLogFault(path);
  if (why === undefined) return;
  throw new ContainerdError({ code: "data_loss", what: "cannot open database", where: { path }, why, fix: REPAIR });
}

/** The first bytes of a file: fewer than `length` when it has no more. Whoever closes the database last removes it. */
function firstBytes(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return bytes.subarray(0, 0);
    throw error;
  }
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}
