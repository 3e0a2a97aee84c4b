import { ContainerdError } from "@ctr/api";
import type { Labels, SnapshotInfo } from "@ctr/oci";
import { labelsFromColumn, labelsToColumn } from "../metadata/labels.ts";
import { timestampOf } from "../store/clock.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { SnapshotPlace } from "./driver.ts";

/** Keys and names share one space in a namespace and snapshotter. */
export interface SnapshotSpace {
  readonly namespace: string;
  readonly snapshotter: string;
}

/** A snapshot with what only the store needs of it. */
export interface SnapshotRecord extends SnapshotInfo, SnapshotPlace {
  readonly kind: SnapshotPlace["kind"];
  readonly size: bigint;
  readonly inodes: bigint;
}

interface Row {
  readonly id: bigint;
  readonly key: string;
  readonly kind: SnapshotPlace["kind"];
  readonly parent: bigint | null;
  readonly parent_key: string | null;
  readonly labels: string;
  readonly size: bigint;
  readonly inodes: bigint;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

const SELECT = `SELECT s.id, s.key, s.kind, s.parent, p.key AS parent_key, s.labels, s.size, s.inodes, s.created_at, s.updated_at
  FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent`;

export function findSnapshot(tx: ReadTx, space: SnapshotSpace, key: string): SnapshotRecord | undefined {
  const row = tx.get<Row>(
    `${SELECT} WHERE s.namespace = ? AND s.snapshotter = ? AND s.key = ?`,
    space.namespace,
    space.snapshotter,
    key,
  );
  return row === undefined ? undefined : recordOf(row, parentsOf(tx, row.parent));
}

/** `not_found` when there is none. */
export function getSnapshot(tx: ReadTx, space: SnapshotSpace, key: string): SnapshotRecord {
  const found = findSnapshot(tx, space, key);
  if (found !== undefined) return found;
  throw new ContainerdError({ code: "not_found", what: `snapshot ${key} does not exist` });
}

/** All of a space, by key. Parents are not followed. */
export function listSnapshots(tx: ReadTx, space: SnapshotSpace): readonly SnapshotRecord[] {
  const sql = `${SELECT} WHERE s.namespace = ? AND s.snapshotter = ? ORDER BY s.key`;
  return tx.all<Row>(sql, space.namespace, space.snapshotter).map((row) => recordOf(row, []));
}

/** The committed snapshot to build on. `not_found` when it is missing, `invalid_argument` when it is not committed. */
export function getParent(tx: ReadTx, space: SnapshotSpace, name: string): SnapshotRecord | undefined {
  if (name === "") return undefined;
  const parent = findSnapshot(tx, space, name);
  if (parent === undefined) {
    throw new ContainerdError({ code: "not_found", what: `parent snapshot ${name} does not exist` });
  }
  if (parent.kind === "committed") return parent;
  throw new ContainerdError({
    code: "invalid_argument",
    what: `parent ${JSON.stringify(name)} is not committed snapshot`,
  });
}

export interface NewRecord {
  readonly key: string;
  readonly kind: "view" | "active";
  readonly parent: bigint | undefined;
  readonly labels: Labels;
  readonly now: bigint;
}

/** Adds a row and gives its id. */
export function insertSnapshot(tx: WriteTx, space: SnapshotSpace, made: NewRecord): bigint {
  tx.run(
    `INSERT INTO snapshots (namespace, snapshotter, key, kind, parent, labels, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    space.namespace,
    space.snapshotter,
    made.key,
    made.kind,
    made.parent ?? null,
    labelsToColumn(made.labels),
    made.now,
    made.now,
  );
  return tx.lastId();
}

export interface CommittedRecord {
  readonly name: string;
  readonly parent: bigint | undefined;
  readonly labels: Labels;
  readonly size: bigint;
  readonly inodes: bigint;
  readonly now: bigint;
}

/** Turns an active one into a committed one of the same id; its labels are replaced, not added to. */
export function commitSnapshot(tx: WriteTx, id: bigint, made: CommittedRecord): void {
  tx.run(
    `UPDATE snapshots SET key = ?, kind = 'committed', parent = ?, labels = ?, size = ?, inodes = ?,
     created_at = ?, updated_at = ? WHERE id = ?`,
    made.name,
    made.parent ?? null,
    labelsToColumn(made.labels),
    made.size,
    made.inodes,
    made.now,
    made.now,
    id,
  );
}

export function setSnapshotLabels(tx: WriteTx, id: bigint, labels: Labels, now: bigint): void {
  tx.run("UPDATE snapshots SET labels = ?, updated_at = ? WHERE id = ?", labelsToColumn(labels), now, id);
}

/** `failed_precondition` while another snapshot stands on it. */
export function deleteSnapshot(tx: WriteTx, record: SnapshotRecord): void {
  if (tx.get("SELECT 1 FROM snapshots WHERE parent = ? LIMIT 1", record.id) !== undefined) {
    throw new ContainerdError({ code: "failed_precondition", what: "cannot remove snapshot with child" });
  }
  tx.run("DELETE FROM snapshots WHERE id = ?", record.id);
}

function parentsOf(tx: ReadTx, nearest: bigint | null): readonly bigint[] {
  const parents: bigint[] = [];
  for (let id = nearest; id !== null; ) {
    parents.push(id);
    id = tx.get<{ readonly parent: bigint | null }>("SELECT parent FROM snapshots WHERE id = ?", id)?.parent ?? null;
  }
  return parents;
}

function recordOf(row: Row, parents: readonly bigint[]): SnapshotRecord {
  return {
    id: row.id,
    kind: row.kind,
    name: row.key,
    parent: row.parent_key ?? "",
    parents,
    labels: labelsFromColumn(row.labels),
    size: row.size,
    inodes: row.inodes,
    createdAt: timestampOf(row.created_at),
    updatedAt: timestampOf(row.updated_at),
  };
}
