import { ContainerdError } from "@ctr/api";
import { isDigest, type Labels, type Timestamp } from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import type { Scope } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { markDirty } from "./dirty.ts";
import { ABSENT, type Filter, mapField, parseFilters, textField } from "./filters.ts";
import { labelsFromColumn, labelsToColumn } from "./labels.ts";
import { ensureNamespace } from "./namespaces.ts";

export interface LeaseRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Timestamp;
}

/** What a lease keeps: `content` by digest, `ingests` by ref, `images` by name, `snapshots/<snapshotter>` by key. */
export interface LeaseResource {
  readonly type: string;
  readonly id: string;
}

export interface NewLease {
  /** One is made up when it is "". */
  readonly id: string;
  readonly labels: Labels;
  /** The process whose end lets the lease lapse, as `processIdentity` tells it; "" when it ends by itself or by hand. */
  readonly owner: string;
}

interface Row {
  readonly id: string;
  readonly labels: string;
  readonly created_at: bigint;
}

/** `already_exists` when the id is taken. */
export function createLease(store: Store, tx: WriteTx, namespace: string, lease: NewLease): LeaseRecord {
  const id = lease.id === "" ? makeLeaseId(store) : lease.id;
  const labels = labelsToColumn(lease.labels);
  const now = store.clock.now();
  ensureNamespace(tx, namespace);
  const sql = "INSERT OR IGNORE INTO leases (namespace, id, labels, created_at, owner) VALUES (?, ?, ?, ?, ?)";
  if (tx.run(sql, namespace, id, labels, now, lease.owner) === 0) {
    throw new ContainerdError({ code: "already_exists", what: `lease ${JSON.stringify(id)}` });
  }
  failpoint("lease.create");
  return { id, labels: labelsFromColumn(labels), createdAt: timestampOf(now) };
}

/** What only it kept goes with the next collection. */
export function deleteLease(tx: WriteTx, namespace: string, id: string): void {
  const letsGo = keepsAlone(tx, namespace, id);
  if (tx.run("DELETE FROM leases WHERE namespace = ? AND id = ?", namespace, id) === 0) throw noLease(id);
  failpoint("lease.delete");
  if (letsGo) markDirty(tx);
}

/**
 * Whether a lease keeps anything that may have nobody else. That of a `run` keeps the snapshot of a container, which has its
 * key from the container's id: no collection need follow each start.
 */
function keepsAlone(tx: ReadTx, namespace: string, lease: string): boolean {
  const sql = `SELECT 1 FROM lease_resources r WHERE namespace = ? AND lease = ? AND NOT EXISTS (
    SELECT 1 FROM containers c WHERE c.namespace = r.namespace AND c.id = r.id
      AND c.snapshot_key = r.id AND 'snapshots/' || c.snapshotter = r.type) LIMIT 1`;
  return tx.get(sql, namespace, lease) !== undefined;
}

/** Those that pass, by id. */
export function listLeases(tx: ReadTx, namespace: string, filters: readonly string[]): readonly LeaseRecord[] {
  const passes = parseFilters(filters);
  const rows = tx.all<Row>("SELECT id, labels, created_at FROM leases WHERE namespace = ? ORDER BY id", namespace);
  return rows
    .map(({ id, labels, created_at }) => ({
      id,
      labels: labelsFromColumn(labels),
      createdAt: timestampOf(created_at),
    }))
    .filter((lease) => leasePasses(passes, lease));
}

/** Content first, then images, ingests and snapshots, as containerd lists them. */
export function listLeaseResources(tx: ReadTx, namespace: string, lease: string): readonly LeaseResource[] {
  requireLease(tx, namespace, lease);
  const sql = "SELECT type, id FROM lease_resources WHERE namespace = ? AND lease = ? ORDER BY type, id";
  return tx.all<LeaseResource>(sql, namespace, lease);
}

/** Whether a lease ends with a process; not one that is not there. */
export function hasOwner(tx: ReadTx, namespace: string, id: string): boolean {
  const sql = "SELECT 1 FROM leases WHERE namespace = ? AND id = ? AND owner <> ''";
  return tx.get(sql, namespace, id) !== undefined;
}

/** `not_found` for an unknown lease; what it is to keep need not be there. */
export function addLeaseResource(tx: WriteTx, namespace: string, lease: string, resource: LeaseResource): void {
  requireLease(tx, namespace, lease);
  checkResource(resource);
  insertResource(tx, namespace, lease, resource);
}

/** Succeeds also when the lease does not have it. */
export function deleteLeaseResource(tx: WriteTx, namespace: string, lease: string, resource: LeaseResource): void {
  requireLease(tx, namespace, lease);
  checkResource(resource);
  const { type, id } = resource;
  const sql = "DELETE FROM lease_resources WHERE namespace = ? AND lease = ? AND type = ? AND id = ?";
  tx.run(sql, namespace, lease, type, id);
  markDirty(tx);
}

/** Adds what a call made to the lease it ran under, if it ran under one; `not_found` when that is not there. */
export function addToLease(tx: WriteTx, scope: Scope, type: string, id: string): void {
  const { namespace, lease } = scope;
  if (lease === undefined) return;
  if (!hasLease(tx, namespace, lease)) {
    throw new ContainerdError({ code: "not_found", what: `lease does not exist: ${JSON.stringify(lease)}` });
  }
  insertResource(tx, namespace, lease, { type, id });
}

/** What kept `from` keeps `to` from now on, and so does the lease of the scope: an active snapshot that was committed. */
export function moveInLease(tx: WriteTx, scope: Scope, type: string, from: string, to: string): void {
  const { namespace } = scope;
  tx.run(
    `INSERT OR IGNORE INTO lease_resources (namespace, lease, type, id)
     SELECT namespace, lease, type, ? FROM lease_resources WHERE namespace = ? AND type = ? AND id = ?`,
    to,
    namespace,
    type,
    from,
  );
  tx.run("DELETE FROM lease_resources WHERE namespace = ? AND type = ? AND id = ?", namespace, type, from);
  addToLease(tx, scope, type, to);
}

function insertResource(tx: WriteTx, namespace: string, lease: string, { type, id }: LeaseResource): void {
  const sql = "INSERT OR IGNORE INTO lease_resources (namespace, lease, type, id) VALUES (?, ?, ?, ?)";
  tx.run(sql, namespace, lease, type, id);
}

function checkResource({ type, id }: LeaseResource): void {
  const [kind, snapshotter = "", ...more] = type.split("/");
  switch (kind) {
    case "content":
      if (more.length === 0 && snapshotter === "" && isDigest(id)) return;
      throw invalid(`invalid content digest ${JSON.stringify(id)}`);
    case "ingests":
    case "images":
      if (snapshotter === "") return;
      break;
    case "snapshots":
      if (snapshotter !== "" && more.length === 0) return;
      throw invalid(`invalid snapshot resource type ${JSON.stringify(type)}`);
  }
  throw new ContainerdError({ code: "unimplemented", what: `resource type ${JSON.stringify(type)} not supported yet` });
}

function invalid(what: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what });
}

function hasLease(tx: ReadTx, namespace: string, id: string): boolean {
  return tx.get("SELECT 1 FROM leases WHERE namespace = ? AND id = ?", namespace, id) !== undefined;
}

/** `not_found` for a lease that is not there. */
export function requireLease(tx: ReadTx, namespace: string, id: string): void {
  if (!hasLease(tx, namespace, id)) throw noLease(id);
}

function noLease(id: string): ContainerdError {
  return new ContainerdError({ code: "not_found", what: `lease ${JSON.stringify(id)}` });
}

function leasePasses(passes: Filter, lease: LeaseRecord): boolean {
  return passes(([field, ...rest]) => {
    if (field === "id") return textField(lease.id);
    return field === "labels" ? mapField(lease.labels, rest) : ABSENT;
  });
}

/** Nanoseconds within the second and three random bytes, as containerd makes them. */
function makeLeaseId(store: Store): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(3))).toString("base64url");
  return `${store.clock.now() % 1_000_000_000n}-${random}`;
}
