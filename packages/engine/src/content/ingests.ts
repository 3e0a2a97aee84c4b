import { ContainerdError } from "@ctr/api";
import { type Digest, parseDigest } from "@ctr/oci";
import { addToLease } from "../metadata/leases.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import type { Scope } from "../scope.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";

/** How long an ingest without a lease waits for its writer to come back, in nanoseconds: a day, as containerd. */
const INGEST_LIFE = 24n * 3600n * 1_000_000_000n;

/** The record of a write in progress; its bytes are in the directory that `ingestDir` names. */
export interface Ingest {
  readonly id: bigint;
  readonly namespace: string;
  readonly ref: string;
  /** The blob it is to be; known only where its bytes are there already, in another namespace. */
  readonly expected: Digest | undefined;
  /** Bytes it is to have; 0 when unknown. */
  readonly total: bigint;
  readonly startedAt: bigint;
}

interface IngestRow {
  readonly id: bigint;
  readonly namespace: string;
  readonly ref: string;
  readonly expected: string;
  readonly total: bigint;
  readonly started_at: bigint;
}

export function findIngest(tx: ReadTx, namespace: string, ref: string): Ingest | undefined {
  const row = tx.get<IngestRow>("SELECT * FROM ingests WHERE namespace = ? AND ref = ?", namespace, ref);
  return row === undefined ? undefined : ingestOf(row);
}

export function getIngest(tx: ReadTx, namespace: string, ref: string): Ingest {
  const ingest = findIngest(tx, namespace, ref);
  if (ingest !== undefined) return ingest;
  throw new ContainerdError({ code: "not_found", what: `ingest ref ${JSON.stringify(ref)}` });
}

/** All of a namespace, by ref. */
export function listIngests(tx: ReadTx, namespace: string): readonly Ingest[] {
  return tx.all<IngestRow>("SELECT * FROM ingests WHERE namespace = ? ORDER BY ref", namespace).map(ingestOf);
}

/** The record for `ref`, made if need be, kept by the lease of the scope or for a day. */
export function claimIngest(
  store: Store,
  tx: WriteTx,
  scope: Scope,
  wanted: { readonly ref: string; readonly total: bigint; readonly expected: Digest | undefined },
): Ingest {
  const { namespace, lease } = scope;
  ensureNamespace(tx, namespace);
  const now = store.clock.now();
  const expires = lease === undefined ? now + INGEST_LIFE : null;
  tx.run(
    `INSERT INTO ingests (namespace, ref, expected, total, started_at, updated_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (namespace, ref) DO UPDATE SET expires_at = excluded.expires_at, updated_at = excluded.updated_at`,
    namespace,
    wanted.ref,
    wanted.expected ?? "",
    wanted.total,
    now,
    now,
    expires,
  );
  if (lease !== undefined) addToLease(tx, scope, "ingests", wanted.ref);
  return getIngest(tx, namespace, wanted.ref);
}

/** From now on the ingest has bytes of its own, and holds on to no other blob. */
export function makePrivate(tx: WriteTx, ingest: Pick<Ingest, "id">): void {
  tx.run("UPDATE ingests SET expected = '' WHERE id = ?", ingest.id);
}

/** Forgets an ingest, and that leases held it. False when it was gone. */
export function dropIngest(tx: WriteTx, ingest: Pick<Ingest, "id" | "namespace" | "ref">): boolean {
  if (tx.run("DELETE FROM ingests WHERE id = ?", ingest.id) === 0) return false;
  const sql = "DELETE FROM lease_resources WHERE namespace = ? AND type = 'ingests' AND id = ?";
  tx.run(sql, ingest.namespace, ingest.ref);
  return true;
}

function ingestOf(row: IngestRow): Ingest {
  return {
    id: row.id,
    namespace: row.namespace,
    ref: row.ref,
    expected: row.expected === "" ? undefined : parseDigest(row.expected),
    total: row.total,
    startedAt: row.started_at,
  };
}
