import { closeSync, futimesSync, openSync } from "node:fs";
import { join } from "node:path";
import type { protobufAny } from "@ctr/api";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";

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
  const time = entry.time ?? store.clock.now();
  const added = tx.run(
    "INSERT OR IGNORE INTO events (time, namespace, topic, type_url, value, once) VALUES (?, ?, ?, ?, ?, ?)",
    time,
    entry.namespace,
    entry.topic,
    entry.event.typeUrl,
    entry.event.value,
    entry.once ?? null,
  );
  if (added > 0) tx.afterCommit(() => touchTick(store));
  return added > 0;
}

/** The file that is touched after every commit with an event in it; followers watch it. */
export function tickPath(store: Store): string {
  return join(store.state, "tick");
}

function touchTick(store: Store): void {
  const fd = openSync(tickPath(store), "a", 0o600);
  try {
    const now = new Date();
    futimesSync(fd, now, now);
  } finally {
    closeSync(fd);
  }
}
