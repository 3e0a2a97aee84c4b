import { constants, type SQLQueryBindings, Database as Sqlite } from "bun:sqlite";
import { dirname } from "node:path";
import { ContainerdError } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import { diskError } from "./disk-error.ts";
import { findLogFault, hasLog } from "./log-file.ts";
import { type OpenedFile, openedFile } from "./opened-file.ts";
import { migrations, SCHEMA_VERSION } from "./schema.ts";
import { syncPath } from "./shared-sync.ts";
import { isBusy, REPAIR, sqliteError } from "./sqlite-error.ts";

/** A value of a column; integers are always `bigint`. */
export type Column = string | bigint | number | Uint8Array | null;

/** Reads one state of the database. Ended by the end of the function it was handed to. */
export interface ReadTx {
  /** The first row, if there is one. The caller names the row's type: its columns are those of the statement. */
  get<Row>(sql: string, ...values: readonly Column[]): Row | undefined;
  all<Row>(sql: string, ...values: readonly Column[]): readonly Row[];
}

/** A transaction that may change rows; nothing of it is seen until its function returns, and nothing if that throws. */
export interface WriteTx extends ReadTx {
  /** How many rows changed. */
  run(sql: string, ...values: readonly Column[]): number;
  /** The id of the row that was inserted last. */
  lastId(): bigint;
  /** Runs `effect` once the transaction is on disk; not at all if it fails. */
  afterCommit(effect: () => void): void;
}

export interface DatabaseOptions {
  /**
   * Rows may come to disk when the database settles, instead of when they are written: for a process whose word is its
   * end. What it wrote is under way to the disk meanwhile.
   */
  readonly settlesLate?: boolean;
}

/** How long a writer waits for another process's transaction; those last milliseconds, unless somebody is stopped in one. */
const BUSY_TIMEOUT_MS = 10_000;

const BUSY_RETRY_MS = 2;

/**
 * The metadata of a store, shared with other processes. Transactions are synchronous functions: one that could await
 * would hold up every other process, and then this one.
 */
export class Database implements Disposable {
  readonly path: string;
  readonly #sqlite: Sqlite;
  #file: OpenedFile | undefined;
  #open = true;
  #hasWritten = false;
  #writing = false;
  /** The name of the log is on disk. */
  #logNamed = false;
  #synchronous: Synchronous | undefined;
  readonly #settlesLate: boolean;
  #owed: Promise<unknown> | undefined;
  readonly #together: { run(tx: WriteTx): () => void; reject(error: unknown): void }[] = [];

  /** Makes the file if need be. `failed_precondition` when another version of the program wrote it. */
  constructor(path: string, { settlesLate = false }: DatabaseOptions = {}) {
    this.path = path;
    this.#settlesLate = settlesLate;
    refuseForeignLog(path);
    try {
      this.#sqlite = new Sqlite(path, { create: true, strict: true, safeIntegers: true });
      // The empty log stays when the last connection is closed: to make it and its index anew takes a short command as
      // long as what it came for.
      this.#sqlite.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
      this.#sqlite.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      this.#prepareFile();
    } catch (error) {
      throw sqliteError(error, "cannot open database", path);
    }
  }

  /** Whether a transaction of this process has changed anything. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  read<T>(work: (tx: ReadTx) => T): T {
    // One statement sees one state anyway; a read of several is worth a transaction only where they must agree.
    try {
      return work(this.#tx([]));
    } catch (error) {
      throw sqliteError(error, "cannot read database", this.path);
    }
  }

  /** Runs `work` in one transaction. What it throws undoes everything and is thrown on. */
  write<T>(work: (tx: WriteTx) => T): T {
    return this.#write("FULL", work);
  }

  #write<T>(synchronous: Synchronous, work: (tx: WriteTx) => T): T {
    if (this.#writing) throw new ContainerdError({ code: "internal", what: "a transaction was begun inside another" });
    this.#synchronize(synchronous);
    const effects: (() => void)[] = [];
    const result = this.#transact(work, effects);
    for (const effect of effects) effect();
    return result;
  }

  /**
   * The same without waiting for the disk: a power cut may take it away, together with all that was written after it. For
   * what is worth nothing without a later `write`, or after the next boot: tasks end with the power, too.
   */
  writeUnsynced<T>(work: (tx: WriteTx) => T): T {
    return this.#write("NORMAL", work);
  }

  /**
   * The same as `write`, but where the database settles late it is on disk once `settle` has come back. For rows of which
   * no file is deleted: a file goes after a `write`.
   */
  writeSettled<T>(work: (tx: WriteTx) => T): T {
    if (!this.#settlesLate) return this.write(work);
    const result = this.writeUnsynced(work);
    const synced = new Promise((resolve) => setImmediate(resolve)).then(() => this.#syncLog());
    this.#owed = Promise.all([this.#owed, synced]);
    // Told by `settle`.
    this.#owed.catch(() => undefined);
    return result;
  }

  /** Waits until all that `writeSettled` wrote is on disk. */
  async settle(): Promise<void> {
    await this.#owed;
  }

  /** What the connection's next transactions are; told to it only when that changes. */
  #synchronize(synchronous: Synchronous): void {
    if (this.#synchronous !== synchronous) this.#sqlite.run(`PRAGMA synchronous = ${synchronous}`);
    this.#synchronous = synchronous;
  }

  /**
   * The same as `write` in one transaction with what else is to be written just now, so that many wait for the disk once,
   * and none of them holds the thread meanwhile: others may see the change before it is on disk, but whatever they make of
   * it comes after it in the log. What `work` throws undoes its own changes alone.
   */
  writeTogether<T>(work: (tx: WriteTx) => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const run = (tx: WriteTx) => {
      const result = this.#nested(tx, work);
      return () => (result.kind === "done" ? resolve(result.value) : reject(result.error));
    };
    this.#together.push({ run, reject });
    if (this.#together.length === 1) setImmediate(() => void this.#writeGathered());
    return promise;
  }

  async #writeGathered(): Promise<void> {
    const gathered = this.#together.splice(0);
    try {
      const settled = this.writeUnsynced((tx) => gathered.map(({ run }) => run(tx)));
      await this.#syncLog();
      failpoint("database.synced");
      for (const settle of settled) settle();
    } catch (error) {
      for (const { reject } of gathered) reject(error);
    }
  }

  /** The log is a file of its own, which no lock of SQLite's hangs on; another transaction may have begun it. */
  async #syncLog(): Promise<void> {
    try {
      await Promise.all([syncPath(`${this.path}-wal`), this.#logNamed ? undefined : syncPath(dirname(this.path))]);
      this.#logNamed = true;
    } catch (error) {
      throw diskError(error, "cannot write database", { path: this.path });
    }
  }

  #nested<T>(tx: WriteTx, work: (tx: WriteTx) => T): Nested<T> {
    tx.run("SAVEPOINT one");
    const effects: (() => void)[] = [];
    try {
      const value = work(this.#tx(effects));
      tx.run("RELEASE one");
      for (const effect of effects) tx.afterCommit(effect);
      return { kind: "done", value };
    } catch (error) {
      tx.run("ROLLBACK TO one");
      tx.run("RELEASE one");
      return { kind: "failed", error: sqliteError(error, "cannot write database", this.path) };
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#sqlite.close();
  }

  #transact<T>(work: (tx: WriteTx) => T, effects: (() => void)[]): T {
    this.#writing = true;
    this.#hasWritten = true;
    try {
      this.#begin();
      const result = work(this.#tx(effects));
      if (result instanceof Promise) throw new Error("a transaction returned a promise");
      failpoint("database.commit");
      this.#sqlite.run("COMMIT");
      failpoint("database.committed");
      return result;
    } catch (error) {
      this.#rollback();
      throw sqliteError(error, "cannot write database", this.path);
    } finally {
      this.#writing = false;
    }
  }

  #begin(): void {
    this.#file ??= this.#firstWrite();
    this.#file.check();
    this.#sqlite.run("BEGIN IMMEDIATE");
    const [version] = this.#version();
    if (version === SCHEMA_VERSION) return;
    throw new ContainerdError({
      code: "failed_precondition",
      what: "cannot write database",
      where: { path: this.path },
      why: `another version of ctr changed it meanwhile: it has schema ${version}, this program writes ${SCHEMA_VERSION}`,
      fix: "run the command again with the newer ctr",
    });
  }

  /** What only a writer needs. */
  #firstWrite(): OpenedFile {
    // A repair's new file has none yet; in any other this changes nothing.
    this.#sqlite.run("PRAGMA journal_mode = WAL");
    // The log that stays is cut to nothing.
    this.#sqlite.run("PRAGMA journal_size_limit = 0");
    this.#sqlite.run("PRAGMA foreign_keys = ON");
    return openedFile(this.path);
  }

  #tx(effects: (() => void)[]): WriteTx {
    const sqlite = this.#sqlite;
    // Statements are prepared once and kept by their text. Column is what SQLite takes and gives in strict tables.
    const bind = (values: readonly Column[]) => values as SQLQueryBindings[];
    return {
      get: <Row>(sql: string, ...values: readonly Column[]) =>
        (sqlite.query(sql).get(...bind(values)) as Row | null) ?? undefined,
      all: <Row>(sql: string, ...values: readonly Column[]) => sqlite.query(sql).all(...bind(values)) as Row[],
      run: (sql, ...values) => sqlite.query(sql).run(...bind(values)).changes,
      lastId: () => BigInt((sqlite.query("SELECT last_insert_rowid() AS id").get() as { readonly id: bigint }).id),
      afterCommit: (effect) => effects.push(effect),
    };
  }

  #version(): readonly [number] {
    const row = this.#sqlite.query("PRAGMA user_version").get() as { readonly user_version: bigint };
    return [Number(row.user_version)];
  }

  /**
   * Two processes that make the file at once meet where the journal mode changes: there SQLite says that it is busy
   * without waiting, whatever the timeout.
   */
  #prepareFile(): void {
    const deadline = Date.now() + BUSY_TIMEOUT_MS;
    for (;;) {
      try {
        const [version] = this.#version();
        if (version !== SCHEMA_VERSION) this.#migrate();
        return;
      } catch (error) {
        if (!isBusy(error) || Date.now() > deadline) throw error;
        Bun.sleepSync(BUSY_RETRY_MS);
      }
    }
  }

  #migrate(): void {
    this.#sqlite.run("PRAGMA journal_mode = WAL");
    this.#sqlite.run("BEGIN IMMEDIATE");
    try {
      const [version] = this.#version();
      if (version > SCHEMA_VERSION) throw newer(this.path, version);
      for (const step of migrations.slice(version)) this.#sqlite.run(step);
      this.#sqlite.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
      this.#sqlite.run("COMMIT");
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** After a full disk or an I/O error SQLite has often rolled back by itself. */
  #rollback(): void {
    try {
      if (this.#sqlite.inTransaction) this.#sqlite.run("ROLLBACK");
    } catch {
      // What made it necessary is what the caller must hear of; the file is mended by whoever opens it next.
    }
  }
}

/** Whether a transaction is on disk when it is over. */
type Synchronous = "FULL" | "NORMAL";

type Nested<T> = { readonly kind: "done"; readonly value: T } | { readonly kind: "failed"; readonly error: unknown };

function refuseForeignLog(path: string): void {
  const why = hasLog(path) ? findLogFault(path) : undefined;
  if (why === undefined) return;
  throw new ContainerdError({ code: "data_loss", what: "cannot open database", where: { path }, why, fix: REPAIR });
}

function newer(path: string, version: number): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot open database",
    where: { path },
    why: `a newer ctr wrote it: it has schema ${version}, this program knows ${SCHEMA_VERSION}`,
    fix: "use the newer ctr, or another root with --address embedded:///some/root",
  });
}
