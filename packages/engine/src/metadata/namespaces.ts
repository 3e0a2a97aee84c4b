import { ContainerdError, namespaceEvents } from "@ctr/api";
import type { Labels } from "@ctr/oci";
import { publish } from "../events/journal.ts";
import { checkIdentifier } from "../scope.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { markDirty } from "./dirty.ts";
import { readMask, withKey } from "./field-mask.ts";
import { labelsFromColumn, labelsToColumn } from "./labels.ts";

export interface NamespaceRecord {
  readonly name: string;
  readonly labels: Labels;
}

interface Row {
  readonly name: string;
  readonly labels: string;
}

/** The first write in a namespace makes it; no event tells of that. */
export function ensureNamespace(tx: WriteTx, name: string): void {
  tx.run("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", name);
}

/** The labels of a namespace; none for one that is not there. */
export function namespaceLabels(tx: ReadTx, name: string): Labels {
  const row = tx.get<Row>("SELECT labels FROM namespaces WHERE name = ?", checkIdentifier(name, "namespace"));
  return row === undefined ? {} : labelsFromColumn(row.labels);
}

/** All, by name. */
export function listNamespaces(tx: ReadTx): readonly NamespaceRecord[] {
  const rows = tx.all<Row>("SELECT name, labels FROM namespaces ORDER BY name");
  return rows.map(({ name, labels }) => ({ name, labels: labelsFromColumn(labels) }));
}

/** `already_exists` also for one that a write in it has made. */
export function createNamespace(store: Store, tx: WriteTx, { name, labels }: NamespaceRecord): NamespaceRecord {
  const column = labelsToColumn(labels);
  const sql = "INSERT OR IGNORE INTO namespaces (name, labels) VALUES (?, ?)";
  if (tx.run(sql, checkIdentifier(name, "namespace"), column) === 0) {
    throw new ContainerdError({ code: "already_exists", what: `namespace ${JSON.stringify(name)}` });
  }
  const event = namespaceEvents.NamespaceCreate.fromPartial({ name, labels });
  const value = namespaceEvents.NamespaceCreate.encode(event).finish();
  const typeUrl = "containerd.events.NamespaceCreate";
  publish(store, tx, { namespace: name, topic: "/namespaces/create", event: { typeUrl, value } });
  return { name, labels: labelsFromColumn(column) };
}

/** Replaces all labels, or those that `paths` name (`labels.<key>`). Makes the namespace if need be, as containerd does. */
export function updateNamespace(
  store: Store,
  tx: WriteTx,
  given: NamespaceRecord,
  paths: readonly string[],
): NamespaceRecord {
  const { name } = given;
  const current = namespaceLabels(tx, name);
  const rules = { fields: [], maps: ["labels"], of: `namespace ${JSON.stringify(name)}` } as const;
  const mask = readMask(paths, rules);
  const patch = (labels: Labels, path: (typeof mask)[number]) =>
    path.kind === "key" ? withKey(labels, given.labels, path.key) : labels;
  const wanted = mask.reduce(patch, current);
  const column = labelsToColumn(mask.length === 0 ? given.labels : wanted);
  ensureNamespace(tx, name);
  tx.run("UPDATE namespaces SET labels = ? WHERE name = ?", column, name);
  const labels = labelsFromColumn(column);
  const event = namespaceEvents.NamespaceUpdate.fromPartial({ name, labels });
  const value = namespaceEvents.NamespaceUpdate.encode(event).finish();
  const typeUrl = "containerd.events.NamespaceUpdate";
  publish(store, tx, { namespace: name, topic: "/namespaces/update", event: { typeUrl, value } });
  return { name, labels };
}

/**
 * `not_found` when it is not there, `failed_precondition` while it has images, blobs, containers or snapshots. Leases,
 * ingests and sandboxes do not keep it, and go with it.
 */
export function deleteNamespace(store: Store, tx: WriteTx, name: string): void {
  checkIdentifier(name, "namespace");
  if (tx.get("SELECT 1 FROM namespaces WHERE name = ?", name) === undefined) {
    throw new ContainerdError({ code: "not_found", what: `namespace ${JSON.stringify(name)}` });
  }
  const left = leftIn(tx, name);
  if (left.length > 0) {
    const what = `namespace ${JSON.stringify(name)} must be empty, but it still has ${left.join(", ")}`;
    throw new ContainerdError({ code: "failed_precondition", what });
  }
  for (const table of ["leases", "ingests", "sandboxes"]) tx.run(`DELETE FROM ${table} WHERE namespace = ?`, name);
  tx.run("DELETE FROM namespaces WHERE name = ?", name);
  markDirty(tx);
  const value = namespaceEvents.NamespaceDelete.encode(namespaceEvents.NamespaceDelete.fromPartial({ name })).finish();
  const typeUrl = "containerd.events.NamespaceDelete";
  publish(store, tx, { namespace: name, topic: "/namespaces/delete", event: { typeUrl, value } });
}

function leftIn(tx: ReadTx, name: string): readonly string[] {
  const tables = ["images", "blobs", "containers"];
  const left = tables.filter((table) => tx.get(`SELECT 1 FROM ${table} WHERE namespace = ? LIMIT 1`, name));
  const sql = "SELECT DISTINCT snapshotter FROM snapshots WHERE namespace = ? ORDER BY snapshotter";
  const snapshotters = tx.all<{ readonly snapshotter: string }>(sql, name);
  return [...left, ...snapshotters.map((row) => `snapshots on ${JSON.stringify(row.snapshotter)} snapshotter`)];
}
