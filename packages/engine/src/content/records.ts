import { ContainerdError, contentEvents, type protobufAny } from "@ctr/api";
import { type ContentInfo, type Digest, type Labels, parseDigest } from "@ctr/oci";
import { publish } from "../events/journal.ts";
import { markDirty } from "../metadata/dirty.ts";
import { labelsFromColumn, labelsToColumn } from "../metadata/labels.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import { timestampOf } from "../store/clock.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";

interface BlobRow {
  readonly digest: string;
  readonly size: bigint;
  readonly labels: string;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

/** The record of a blob; `not_found` when the namespace has none, whoever else has the bytes. */
export function getBlob(tx: ReadTx, namespace: string, digest: Digest): ContentInfo {
  const info = findBlob(tx, namespace, digest);
  if (info !== undefined) return info;
  throw new ContainerdError({ code: "not_found", what: `content digest ${digest}` });
}

export function findBlob(tx: ReadTx, namespace: string, digest: Digest): ContentInfo | undefined {
  const row = tx.get<BlobRow>("SELECT * FROM blobs WHERE namespace = ? AND digest = ?", namespace, digest);
  return row === undefined ? undefined : infoOf(row);
}

/** All of a namespace, by digest. */
export function listBlobs(tx: ReadTx, namespace: string): readonly ContentInfo[] {
  return tx.all<BlobRow>("SELECT * FROM blobs WHERE namespace = ? ORDER BY digest", namespace).map(infoOf);
}

/** Size of the bytes some namespace knows under `digest`. */
export function sharedBlobSize(tx: ReadTx, digest: Digest): bigint | undefined {
  return tx.get<{ readonly size: bigint }>("SELECT size FROM blobs WHERE digest = ? LIMIT 1", digest)?.size;
}

export interface NewBlob {
  readonly digest: Digest;
  readonly size: bigint;
  readonly labels: Labels;
}

/** Adds a record and tells of it; the bytes are on disk. False when the namespace has one already. */
export function addBlob(store: Store, tx: WriteTx, namespace: string, blob: NewBlob): boolean {
  ensureNamespace(tx, namespace);
  const now = store.clock.now();
  const added = tx.run(
    "INSERT OR IGNORE INTO blobs (namespace, digest, size, labels, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
    namespace,
    blob.digest,
    blob.size,
    labelsToColumn(blob.labels),
    now,
    now,
  );
  if (added > 0) publish(store, tx, { namespace, topic: "/content/create", event: createEvent(blob) });
  return added > 0;
}

/** Replaces the labels. */
export function setBlobLabels(
  store: Store,
  tx: WriteTx,
  namespace: string,
  digest: Digest,
  labels: Labels,
): ContentInfo {
  const sql = "UPDATE blobs SET labels = ?, updated_at = ? WHERE namespace = ? AND digest = ?";
  tx.run(sql, labelsToColumn(labels), store.clock.now(), namespace, digest);
  return getBlob(tx, namespace, digest);
}

/** Drops the record; the bytes go with the next collection, unless another namespace has them too. */
export function deleteBlob(store: Store, tx: WriteTx, namespace: string, digest: Digest): void {
  if (tx.run("DELETE FROM blobs WHERE namespace = ? AND digest = ?", namespace, digest) === 0) {
    throw new ContainerdError({ code: "not_found", what: `content digest ${digest}` });
  }
  publish(store, tx, { namespace, topic: "/content/delete", event: deleteEvent(digest) });
  markDirty(tx);
}

function infoOf(row: BlobRow): ContentInfo {
  return {
    // Only digests that were parsed are written; but it becomes a file name, and a database can be tampered with.
    digest: parseDigest(row.digest),
    size: row.size,
    labels: labelsFromColumn(row.labels),
    createdAt: timestampOf(row.created_at),
    updatedAt: timestampOf(row.updated_at),
  };
}

function createEvent(blob: NewBlob): protobufAny.Any {
  const event = contentEvents.ContentCreate.fromPartial({ digest: blob.digest, size: blob.size });
  return { typeUrl: "containerd.events.ContentCreate", value: contentEvents.ContentCreate.encode(event).finish() };
}

function deleteEvent(digest: Digest): protobufAny.Any {
  const event = contentEvents.ContentDelete.fromPartial({ digest });
  return { typeUrl: "containerd.events.ContentDelete", value: contentEvents.ContentDelete.encode(event).finish() };
}
