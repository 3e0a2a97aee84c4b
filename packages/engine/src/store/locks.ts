import { mkdirSync } from "node:fs";
import { type FileLock, openLock, tryLock } from "@ctr/sys";

interface Cancel {
  readonly signal: AbortSignal;
}

/** File locks of a store: they end with the process that holds them, whatever ends it. */
export interface Locks {
  /**
   * Held, shared, from the moment something new appears on disk until its row is committed, so that the sweep does not
   * take it for garbage. Never across network or unpacking.
   */
  holdDisk(options: Cancel): Promise<FileLock>;
  /** Held by the sweep alone, for as long as it compares disk and rows. */
  sweepDisk(options: Cancel): Promise<FileLock>;
  /** One collector at a time; undefined while another process collects. */
  tryCollect(): FileLock | undefined;
  collect(options: Cancel): Promise<FileLock>;
  /** The lock of one thing, by a name without `/`; a task, say. */
  of(name: string, options: Cancel): Promise<FileLock>;
  tryOf(name: string): FileLock | undefined;
}

/** The locks under `dir`. */
export function openLocks(dir: string): Locks {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = (name: string) => `${dir}/${name}`;
  return {
    holdDisk: (options) => openLock(path("disk"), { ...options, shared: true }),
    sweepDisk: (options) => openLock(path("disk"), options),
    tryCollect: () => tryLock(path("gc")),
    collect: (options) => openLock(path("gc"), options),
    of: (name, options) => openLock(path(`at-${name}`), options),
    tryOf: (name) => tryLock(path(`at-${name}`)),
  };
}
