import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Column, ReadTx } from "./database.ts";
import { BUSY_TIMEOUT_MS, isBusy, isRoomless, needsWriter, sqliteError } from "./sqlite-error.ts";

/** The version of the schema; named here as well, so that who reads needs no text of it. */
export const READ_VERSION = 3;

/**
 * A connection that only reads. It is one of `node:sqlite`: that of `bun:sqlite` is JavaScript of the runtime's, which is parsed
 * whenever it is loaded, and takes a short command 0.4 ms more. Read-only, it leaves the log where it is when it is the last
 * to be closed; the other kind cannot be told to.
 */
export class Reader implements ReadTx, Disposable {
  readonly #sqlite: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#sqlite = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS, readBigInts: true });
  }

  get<Row>(sql: string, ...values: readonly Column[]): Row | undefined {
    // Its columns are those of the statement, as the caller says.
    return this.#prepared(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: readonly Column[]): readonly Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }

  [Symbol.dispose](): void {
    this.#sqlite.close();
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#sqlite.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Whether there is a log with anything in it, which is rare: to look into it takes loading node:fs. */
export function hasLog(path: string): boolean {
  return Bun.file(`${path}-wal`).size > 0;
}

/** A reader of a database that this program may read as it is; undefined where it has to be made, or brought up to date. */
export function openReader(path: string): Reader | undefined {
  if (Bun.file(path).size === 0) return undefined;
  try {
    return openCurrent(path);
  } catch (error) {
    if (isRoomless(error) && !hasLog(path)) return openCurrent(unchanging(path));
    if (isBusy(error) || needsWriter(error)) return undefined;
    throw sqliteError(error, "cannot open database", path);
  }
}

/** A name under which SQLite reads the file alone: on a full disk nobody can write, and without a log all is in it. */
function unchanging(path: string): string {
  return `${Bun.pathToFileURL(path).href}?immutable=1`;
}

function openCurrent(path: string): Reader | undefined {
  const reader = new Reader(path);
  let isCurrent = false;
  try {
    const [row] = reader.all<{ readonly user_version: bigint }>("PRAGMA user_version");
    isCurrent = row?.user_version === BigInt(READ_VERSION);
    return isCurrent ? reader : undefined;
  } finally {
    if (!isCurrent) reader[Symbol.dispose]();
  }
}
