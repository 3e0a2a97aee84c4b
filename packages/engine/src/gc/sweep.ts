import { snapshotEvents } from "@ctr/api";
import { processState } from "@ctr/sys";
import { publish } from "../events/journal.ts";
import { publishImage } from "../metadata/images.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import type { GraphNode } from "./graph.ts";
import { nodeKey } from "./label-reference.ts";
import { loadGraph } from "./load.ts";
import { explainMark, markGraph, type Step } from "./mark.ts";

/** Deletes the rows of everything no root reaches, in all namespaces, and tells of it. How many they were. */
export function sweepRows(store: Store, tx: WriteTx): number {
  // Parents and children go in any order; that no child is left without its parent is checked at the end.
  tx.run("PRAGMA defer_foreign_keys = ON");
  const now = store.clock.now();
  let swept = 0;
  for (const namespace of namespacesIn(tx)) {
    const graph = loadGraph(tx, namespace, now);
    const marks = markGraph(graph);
    for (const [key, node] of graph.nodes) {
      if (marks.has(key)) continue;
      deleteRow(store, tx, namespace, node);
      swept++;
    }
  }
  forgetLapsed(tx);
  return swept;
}

/** What a dead process was working in is gone; that its lease kept it would make every later command look again. */
function forgetLapsed(tx: WriteTx): void {
  type Row = { readonly namespace: string; readonly id: string; readonly owner: string };
  for (const { namespace, id, owner } of tx.all<Row>("SELECT namespace, id, owner FROM leases WHERE owner != ''")) {
    if (processState(owner) !== "gone") continue;
    const sql = "DELETE FROM lease_resources WHERE namespace = ? AND lease = ? AND type LIKE 'snapshots/%'";
    tx.run(sql, namespace, id);
  }
}

/** What keeps a record from being collected, from a root to itself; empty when nothing does. */
export function explainNode(store: Store, namespace: string, type: string, id: string): readonly Step[] {
  const graph = store.db.read((tx) => loadGraph(tx, namespace, store.clock.now()));
  return explainMark(markGraph(graph), nodeKey(type, id));
}

function namespacesIn(tx: ReadTx): readonly string[] {
  return tx.all<{ readonly name: string }>("SELECT name FROM namespaces ORDER BY name").map((row) => row.name);
}

function deleteRow(store: Store, tx: WriteTx, namespace: string, { type, id }: GraphNode): void {
  switch (type) {
    case "content":
      tx.run("DELETE FROM blobs WHERE namespace = ? AND digest = ?", namespace, id);
      return;
    case "ingests":
      tx.run("DELETE FROM ingests WHERE namespace = ? AND ref = ?", namespace, id);
      return;
    case "mounts":
      tx.run("DELETE FROM activations WHERE namespace = ? AND name = ?", namespace, id);
      return;
    case "leases":
      tx.run("DELETE FROM leases WHERE namespace = ? AND id = ?", namespace, id);
      return;
    case "images":
      tx.run("DELETE FROM images WHERE namespace = ? AND name = ?", namespace, id);
      publishImage(store, tx, namespace, { kind: "delete", name: id });
      return;
    default:
      deleteSnapshot(store, tx, namespace, type.slice("snapshots/".length), id);
  }
}

function deleteSnapshot(store: Store, tx: WriteTx, namespace: string, snapshotter: string, key: string): void {
  const sql = "DELETE FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?";
  tx.run(sql, namespace, snapshotter, key);
  const event = snapshotEvents.SnapshotRemove.fromPartial({ key, snapshotter });
  const value = snapshotEvents.SnapshotRemove.encode(event).finish();
  const typeUrl = "containerd.events.SnapshotRemove";
  publish(store, tx, { namespace, topic: "/snapshot/remove", event: { typeUrl, value } });
}
