import { constants, type SQLQueryBindings, Database as Sqlite } from "bun:sqlite";
import { dirname } from "node:path";
import { ContainerdError } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import type { Column, ReadTx, WriteTx } from "./database.ts";
import { diskError } from "./disk-error.ts";
import { type OpenedFile, openedFile } from "./opened-file.ts";
import { migrations, SCHEMA_VERSION } from "./schema.ts";
import { syncPath } from "./shared-sync.ts";
import { BUSY_TIMEOUT_MS, isBusy, sqliteError } from "./sqlite-error.ts";

const BUSY_RETRY_MS = 2;

/**
 * The connection of a process that changes the metadata, and its reads from then on. Transactions are synchronous functions:
 * one that could await would hold up every other process, and then this one.
 */
export class Writer implements Disposable {
  readonly #path: string;
  readonly #sqlite: Sqlite;
  #file: OpenedFile | undefined;
  #ready = false;
  #open = true;
  #hasWritten = false;
  #writing = false;
  /** The name of the log is on disk. */
  #logNamed = false;
  #synchronous: Synchronous | undefined;
  #owed: Promise<unknown> | undefined;
  readonly #together: { run(tx: WriteTx): () => void; reject(error: unknown): void; readonly synced: boolean }[] = [];

  /**
   * Makes the file if need be. `failed_precondition` when another version of the program wrote it, or when it `wasRead` by this
   * process and another file has taken its place.
   */
  constructor(path: string, { wasRead }: { readonly wasRead: boolean }) {
    this.#path = path;
    if (wasRead) this.#file = openedFile(path);
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
      throw sqliteError(error, "cannot read database", this.#path);
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

  /** The same, and on disk once `settle` has come back. */
  writeSettled<T>(work: (tx: WriteTx) => T): T {
    const result = this.writeUnsynced(work);
    const synced = new Promise((resolve) => setImmediate(resolve)).then(() => this.sync());
    this.#owed = Promise.all([this.#owed, synced]);
    // Told by `settle`.
    this.#owed.catch(() => undefined);
    return result;
  }

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
  writeTogether<T>(work: (tx: WriteTx) => T, { synced }: { readonly synced: boolean }): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const run = (tx: WriteTx) => {
      const result = this.#nested(tx, work);
      return () => (result.kind === "done" ? resolve(result.value) : reject(result.error));
    };
    this.#together.push({ run, reject, synced });
    if (this.#together.length === 1) setImmediate(() => void this.#writeGathered());
    return promise;
  }

  async #writeGathered(): Promise<void> {
    const gathered = this.#together.splice(0);
    try {
      const settled = this.writeUnsynced((tx) => gathered.map(({ run }) => run(tx)));
      if (gathered.some(({ synced }) => synced)) await this.sync();
      for (const settle of settled) settle();
    } catch (error) {
      for (const { reject } of gathered) reject(error);
    }
  }

  async sync(): Promise<void> {
    if (!this.#hasWritten) return;
    try {
      // A file of its own, which no lock of SQLite's hangs on; another transaction may have begun it.
      await Promise.all([syncPath(`${this.#path}-wal`), this.#logNamed ? undefined : syncPath(dirname(this.#path))]);
      this.#logNamed = true;
      failpoint("database.synced");
    } catch (error) {
      throw diskError(error, "cannot write database", { path: this.#path });
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
      return { kind: "failed", error: sqliteError(error, "cannot write database", this.#path) };
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
      throw sqliteError(error, "cannot write database", this.#path);
    } finally {
      this.#writing = false;
    }
  }

  #begin(): void {
    if (!this.#ready) this.#firstWrite();
    this.#file ??= openedFile(this.#path);
    this.#file.check();
    this.#sqlite.run("BEGIN IMMEDIATE");
    const [version] = this.#version();
    if (version === SCHEMA_VERSION) return;
    throw new ContainerdError({
      code: "failed_precondition",
      what: "cannot write database",
      where: { path: this.#path },
      why: `another version of ctr changed it meanwhile: it has schema ${version}, this program writes ${SCHEMA_VERSION}`,
      fix: "run the command again with the newer ctr",
    });
  }

  /** What only a writer needs. */
  #firstWrite(): void {
    // A repair's new file has none yet; in any other this changes nothing.
    this.#sqlite.run("PRAGMA journal_mode = WAL");
    // The log that stays is cut to nothing.
    this.#sqlite.run("PRAGMA journal_size_limit = 0");
    this.#sqlite.run("PRAGMA foreign_keys = ON");
    this.#ready = true;
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
      if (version > SCHEMA_VERSION) throw newer(this.#path, version);
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

function newer(path: string, version: number): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot open database",
    where: { path },
    why: `a newer ctr wrote it: it has schema ${version}, this program knows ${SCHEMA_VERSION}`,
    fix: "use the newer ctr, or another root with --address embedded:///some/root",
  });
}
