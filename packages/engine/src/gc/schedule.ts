import type { ReadTx } from "../store/database.ts";
import { pause } from "../store/pause.ts";
import type { Store } from "../store/store.ts";
import { type CollectOptions, collectIfDirty, tryCollect } from "./collect.ts";
import { isDue } from "./due.ts";

/** containerd's figures: a first run soon after start, and no more than this part of the time spent collecting. */
const STARTUP_DELAY_MS = 100;
const PAUSE_THRESHOLD = 0.02;
const MIN_RUN_MS = 5;
/** Changes after which a collection is due though nothing was deleted: something may have expired or been replaced. */
const MUTATION_THRESHOLD = 100n;
/** With nothing to do, looks come further and further apart. */
const MAX_WAIT_MS = 2000;

export type ScheduleOptions = Omit<CollectOptions, "signal">;

/** Collects a store's garbage from time to time, whoever makes it, until disposed; a run under way is waited for. */
export async function scheduleCollection(store: Store, options: ScheduleOptions = {}): Promise<AsyncDisposable> {
  const stop = new AbortController();
  const done = run(store, options, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

async function run(store: Store, options: ScheduleOptions, signal: AbortSignal): Promise<void> {
  let averageMs = MIN_RUN_MS;
  let collectedAt = 0n;
  let waitMs = STARTUP_DELAY_MS;
  for (let first = true; ; first = false) {
    await pause(waitMs, signal);
    if (signal.aborted) return;
    const begun = performance.now();
    const seq = store.db.read(lastEvent);
    if (!first && seq - collectedAt < MUTATION_THRESHOLD && !store.db.read((tx) => isDue(tx, store.clock.now()))) {
      waitMs = Math.min(waitMs * 2, MAX_WAIT_MS);
      continue;
    }
    try {
      await tryCollect(store, { ...options, signal });
      await collectIfDirty(store, { ...options, signal });
      collectedAt = seq;
    } catch {
      // A full disk, say; the store stays dirty and the next run tries again. Calls that need it fail by themselves.
    }
    averageMs = Math.max(MIN_RUN_MS, (averageMs + performance.now() - begun) / 2);
    waitMs = averageMs / PAUSE_THRESHOLD - averageMs;
  }
}

/** The changes so far, by the events that tell of them. */
function lastEvent(tx: ReadTx): bigint {
  return tx.get<{ readonly seq: bigint }>("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?.seq ?? 0n;
}
