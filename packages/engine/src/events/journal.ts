import { closeSync, openSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { protobufAny } from "@ctr/api";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { notifyFollowers } from "./wake.ts";

/** Something that happened, as it is written to the journal. */
export interface EventEntry {
  readonly namespace: string;
  /** `/images/create` and the like. */
  readonly topic: string;
  readonly event: protobufAny.Any;
  /** When it happened, in nanoseconds since 1970; now, unless it is told of later. */
  readonly time?: bigint;
  /** An event with the same `once` is written a single time, whoever tells of it and how often. */
  readonly once?: string;
}

/**
 * Writes an event in the transaction of the change it tells of, and wakes whoever follows the journal once that is
 * committed, here and in other processes. False when its `once` was there already.
 */
export function publish(store: Store, tx: WriteTx, entry: EventEntry): boolean {
  const now = store.clock.now();
  const added = tx.run(
    "INSERT OR IGNORE INTO events (time, added_at, namespace, topic, type_url, value, once) VALUES (?, ?, ?, ?, ?, ?, ?)",
    entry.time ?? now,
    now,
    entry.namespace,
    entry.topic,
    entry.event.typeUrl,
    entry.event.value,
    entry.once ?? null,
  );
  if (added === 0) return false;
  if (tx.lastId() % TRIM_EVERY === 0n) trimJournal(tx, now);
  if (!announced.has(tx)) tx.afterCommit(() => touchTick(store));
  announced.add(tx);
  return true;
}

/** Transactions whose commit is told of already: a collection may have thousands of events in one. */
const announced = new WeakSet<WriteTx>();

/** Rows between two trims. */
const TRIM_EVERY = 256n;
/** What is kept: a follower that was stopped for longer, or fell behind by more, misses events. */
const MAX_AGE = 24n * 3600n * 1_000_000_000n;
const MAX_EVENTS = 50_000n;

/** Deletes events that are too old or too many. Numbers are never given out again, so nobody takes new ones for seen. */
export function trimJournal(tx: WriteTx, now: bigint): void {
  tx.run(
    "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ? OR added_at < ?",
    MAX_EVENTS,
    now - MAX_AGE,
  );
}

/** The file that is touched after every commit with an event in it; followers watch it. */
export function tickPath(store: Store): string {
  return join(store.state, "tick");
}

function touchTick(store: Store): void {
  notifyFollowers(store.db);
  const path = tickPath(store);
  const now = new Date();
  try {
    try {
      utimesSync(path, now, now);
    } catch {
      // Not there yet; to make it is a touch, too.
      closeSync(openSync(path, "a", 0o600));
      utimesSync(path, now, now);
    }
  } catch {
    // The event is written; followers in other processes look now and then without being called.
  }
}
