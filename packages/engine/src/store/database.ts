import { ContainerdError } from "@ctr/api";
import { hasLog, openReader, type Reader } from "./reader.ts";
import { sqliteError } from "./sqlite-error.ts";
import type { Writer } from "./writer.ts";

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

/**
 * The metadata of a store, shared with other processes. Most processes only read, and load no more than that takes; the
 * first write opens a connection of its own, which all that follows goes through.
 */
export class Database implements Disposable {
  readonly path: string;
  #reader: Reader | undefined;
  #writer: Writer | undefined;
  #open = true;
  readonly #settlesLate: boolean;

  /** Makes the file if need be. `failed_precondition` when another version of the program wrote it. */
  constructor(path: string, { settlesLate = false }: DatabaseOptions = {}) {
    this.path = path;
    this.#settlesLate = settlesLate;
    if (hasLog(path)) (require("./log-file.ts") as typeof import("./log-file.ts")).refuseForeignLog(path);
    this.#reader = openReader(path);
    if (this.#reader === undefined) this.#writer = openWriter(path, false);
  }

  /** Whether a transaction of this process has changed anything. */
  get hasWritten(): boolean {
    return this.#writer?.hasWritten ?? false;
  }

  read<T>(work: (tx: ReadTx) => T): T {
    if (this.#reader === undefined) return this.#writing().read(work);
    // One statement sees one state anyway; a read of several is worth a transaction only where they must agree.
    try {
      return work(this.#reader);
    } catch (error) {
      throw sqliteError(error, "cannot read database", this.path);
    }
  }

  /** Runs `work` in one transaction. What it throws undoes everything and is thrown on. */
  write<T>(work: (tx: WriteTx) => T): T {
    return this.#writing().write(work);
  }

  /**
   * The same without waiting for the disk: a power cut may take it away, together with all that was written after it. For
   * what is worth nothing without a later `write`, or after the next boot: tasks end with the power, too.
   */
  writeUnsynced<T>(work: (tx: WriteTx) => T): T {
    return this.#writing().writeUnsynced(work);
  }

  /**
   * The same as `write`, but where the database settles late it is on disk once `settle` has come back. For rows of which
   * no file is deleted: a file goes after a `write`.
   */
  writeSettled<T>(work: (tx: WriteTx) => T): T {
    return this.#settlesLate ? this.#writing().writeSettled(work) : this.write(work);
  }

  /** Waits until all that `writeSettled` wrote is on disk. */
  async settle(): Promise<void> {
    await this.#writer?.settle();
  }

  /**
   * The same as `write` in one transaction with what else is to be written just now, so that many wait for the disk once,
   * and none of them holds the thread meanwhile: others may see the change before it is on disk, but whatever they make of
   * it comes after it in the log. What `work` throws undoes its own changes alone. With `synced: false` it is not waited for
   * the disk, as in `writeUnsynced`.
   */
  async writeTogether<T>(work: (tx: WriteTx) => T, { synced = true } = {}): Promise<T> {
    return this.#writing().writeTogether(work, { synced });
  }

  /** Waits until all that was written so far is on disk, and holds no thread meanwhile. */
  async sync(): Promise<void> {
    await this.#writer?.sync();
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#reader?.[Symbol.dispose]();
    this.#writer?.[Symbol.dispose]();
  }

  #writing(): Writer {
    if (this.#writer !== undefined) return this.#writer;
    if (!this.#open)
      throw new ContainerdError({ code: "internal", what: "a transaction was begun on a closed database" });
    this.#writer = openWriter(this.path, this.#reader !== undefined);
    this.#reader?.[Symbol.dispose]();
    this.#reader = undefined;
    return this.#writer;
  }
}

/** What only a writer needs is loaded by the first one. */
function openWriter(path: string, wasRead: boolean): Writer {
  const { Writer } = require("./writer.ts") as typeof import("./writer.ts");
  return new Writer(path, { wasRead });
}
