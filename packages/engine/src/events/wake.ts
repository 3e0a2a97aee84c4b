import { type FSWatcher, watch } from "node:fs";
import type { Database } from "../store/database.ts";

/** Followers in this process, by the database they follow. */
const followers = new WeakMap<Database, Set<() => void>>();

/** Calls everyone in this process who follows `db`. */
export function notifyFollowers(db: Database): void {
  for (const call of followers.get(db) ?? []) call();
}

/**
 * The runtime tells of one change and swallows another that follows within some 10 ms: one more look after that finds
 * what the second was about.
 */
const SECOND_LOOK_MS = 30;
/** A look without a call, should the watch lose one, or not be had: inotify has limits per user. */
const IDLE_LOOK_MS = { watched: 1000, unwatched: 100 };

/** A doorbell: `wait` resolves when it rang since the last `wait`, or now and then. Disposing lets go of the watch. */
export interface Doorbell extends Disposable {
  wait(): Promise<void>;
}

/** Rings on commits in this process, on touches of `path` by any, and when `signal` fires. */
export function openDoorbell(db: Database, path: string, signal: AbortSignal): Doorbell {
  let rung = false;
  let answer: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ring = () => {
    rung = true;
    answer?.();
  };
  const ringTwice = () => {
    ring();
    clearTimeout(second);
    second = setTimeout(ring, SECOND_LOOK_MS);
  };
  let second: ReturnType<typeof setTimeout> | undefined;
  const watcher = tryWatch(path, ringTwice);
  const calls = followers.get(db) ?? new Set();
  followers.set(db, calls.add(ring));
  signal.addEventListener("abort", ring);
  return {
    async wait() {
      await new Promise<void>((resolve) => {
        answer = resolve;
        if (rung || signal.aborted) resolve();
        else timer = setTimeout(resolve, watcher === undefined ? IDLE_LOOK_MS.unwatched : IDLE_LOOK_MS.watched);
      });
      clearTimeout(timer);
      answer = undefined;
      rung = false;
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      clearTimeout(second);
      watcher?.close();
      calls.delete(ring);
      signal.removeEventListener("abort", ring);
    },
  };
}

function tryWatch(path: string, call: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, call);
    // A watch that breaks later costs time, not events.
    watcher.on("error", () => {});
    return watcher;
  } catch {
    return undefined;
  }
}
