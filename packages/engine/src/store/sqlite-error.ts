import { SQLiteError } from "bun:sqlite";
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

/** Everything a use of the database may throw, as the one error class; errors of ours pass. */
export function sqliteError(error: unknown, what: string, path: string): unknown {
  if (!(error instanceof SQLiteError)) return error;
  const [code, fix] = codes[error.errno === NO_ROOM_FOR_INDEX ? FULL : error.errno & 0xff] ?? ["internal"];
  const hint = fix === undefined ? {} : { fix };
  return new ContainerdError({ code, what, where: { path }, why: error.message, cause: error, ...hint });
}

/** Another connection is in the way, and will be out of it: SQLITE_BUSY in all its forms. */
export function isBusy(error: unknown): boolean {
  return error instanceof SQLiteError && (error.errno & 0xff) === 5;
}
