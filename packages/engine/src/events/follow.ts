import { closeSync, openSync } from "node:fs";
import type { eventTypes } from "@ctr/api";
import type { Cancel } from "@ctr/oci";
import { timestampOf } from "../store/clock.ts";
import type { ReadTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { tickPath } from "./journal.ts";
import { openDoorbell } from "./wake.ts";

/** Rows read at a time. */
const BATCH = 500;

interface Row {
  readonly seq: bigint;
  readonly time: bigint;
  readonly namespace: string;
  readonly topic: string;
  readonly type_url: string;
  readonly value: Uint8Array;
}

/**
 * Events of all namespaces that are committed after the call, by any process, each once and in the order of the
 * commits, until `signal` fires.
 */
export function followJournal(store: Store, { signal }: Cancel): AsyncIterable<eventTypes.Envelope> {
  return follow(store, store.db.read(lastSeq), signal);
}

async function* follow(store: Store, start: bigint, signal: AbortSignal): AsyncIterable<eventTypes.Envelope> {
  const path = tickPath(store);
  closeSync(openSync(path, "a", 0o600));
  using doorbell = openDoorbell(store.db, path, signal);
  for (let seen = start; !signal.aborted; ) {
    const rows = store.db.read((tx) => readAfter(tx, seen));
    for (const row of rows) {
      seen = row.seq;
      yield envelopeOf(row);
    }
    if (rows.length === 0) await doorbell.wait();
  }
}

/** The number of the last event, also when it was trimmed. */
function lastSeq(tx: ReadTx): bigint {
  return tx.get<{ readonly seq: bigint }>("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?.seq ?? 0n;
}

function readAfter(tx: ReadTx, seq: bigint): readonly Row[] {
  const sql = "SELECT seq, time, namespace, topic, type_url, value FROM events WHERE seq > ? ORDER BY seq LIMIT ?";
  return tx.all<Row>(sql, seq, BATCH);
}

function envelopeOf({ time, namespace, topic, type_url, value }: Row): eventTypes.Envelope {
  return { timestamp: timestampOf(time), namespace, topic, event: { typeUrl: type_url, value } };
}
