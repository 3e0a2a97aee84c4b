import { ContainerdError, type ErrorCode } from "@ctr/api";

/** What to do about a damaged database. */
export const REPAIR =
  "look at the damage with `ctr content verify`, and save what can be read with `ctr content verify --repair`";

/** SQLite's primary result codes, the low byte of every code it gives; https://sqlite.org/rescode.html */
const codes: Readonly<Record<number, readonly [code: ErrorCode, fix?: string]>> = {
  3: ["permission_denied"],
  5: ["unavailable", "another ctr holds the database; try again"],
  6: ["unavailable", "another ctr holds the database; try again"],
  8: [
    "permission_denied",
    "make the root directory writable, or name another one with --address embedded:///some/root",
  ],
  10: ["data_loss", "the disk failed; look at the kernel's log"],
  11: ["data_loss", REPAIR],
  13: ["resource_exhausted", "make room on the disk"],
  14: ["permission_denied", "the root directory must exist and be writable"],
  26: ["data_loss", REPAIR],
};

/** SQLITE_IOERR_SHMSIZE, an extended code of 10: there is no room for the log's index. */
const NO_ROOM_FOR_INDEX = 4874;
const FULL = 13;

/** How long anyone waits for another process's transaction; those last milliseconds, unless somebody is stopped in one. */
export const BUSY_TIMEOUT_MS = 10_000;

/** Everything a use of the database may throw, as the one error class; errors of ours pass. */
export function sqliteError(error: unknown, what: string, path: string): unknown {
  const result = resultOf(error);
  if (result === undefined) return error;
  const [code, fix] = codes[isRoomless(error) ? FULL : result & 0xff] ?? ["internal"];
  const hint = fix === undefined ? {} : { fix };
  const said = error instanceof Error ? error.message : String(error);
  const why = isRoomless(error) ? "the disk is full: there is no room for the index of the database's log" : said;
  return new ContainerdError({ code, what, where: { path }, why, cause: error, ...hint });
}

/** Another connection is in the way, and will be out of it: SQLITE_BUSY in all its forms. */
export function isBusy(error: unknown): boolean {
  const result = resultOf(error);
  return result !== undefined && (result & 0xff) === 5;
}

/** The disk is too full for the log's index, which whoever opens a database first makes anew. */
export function isRoomless(error: unknown): boolean {
  return resultOf(error) === NO_ROOM_FOR_INDEX;
}

/** What is there can only be read once a writer has mended it: SQLITE_READONLY in all its forms. */
export function needsWriter(error: unknown): boolean {
  const result = resultOf(error);
  return result !== undefined && (result & 0xff) === 8;
}

/** SQLite's extended result code, as `bun:sqlite` and as `node:sqlite` tell it; undefined for any other error. */
function resultOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === "SQLiteError" && "errno" in error) return Number(error.errno);
  return "errcode" in error ? Number(error.errcode) : undefined;
}
