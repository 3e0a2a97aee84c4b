import { ContainerdError } from "@ctr/api";
import { processIdentity, processState } from "@ctr/sys";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { SnapshotSpace } from "./records.ts";

/**
 * What is, or may be, in another daemon on our behalf: every name is written down before the daemon hears it, so that
 * a process that dies leaves nothing there that nobody knows of.
 *
 * - `making`: the daemon is being asked to prepare it; of a dead process it is garbage.
 * - `made`: the snapshot it belongs to has it as its own.
 * - `committing`: the daemon is being asked to commit the snapshot under this name.
 * - `removing`: the collector is at it.
 *
 * One without a snapshot that nobody is making is garbage.
 */
export interface BackendRow extends SnapshotSpace {
  readonly backend: string;
}

/** Makes up the name of a snapshot in the daemon: containerd's form, and unlike any that another store makes up. */
export function newBackend(storeId: string, { namespace }: SnapshotSpace, key: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
  return `${namespace}/${storeId}-${random}/${key}`;
}

export function insertMaking(tx: WriteTx, { namespace, snapshotter, backend }: BackendRow): void {
  tx.run(
    "INSERT INTO proxied_snapshots (namespace, snapshotter, backend, state, owner) VALUES (?, ?, ?, 'making', ?)",
    namespace,
    snapshotter,
    backend,
    processIdentity(),
  );
}

/** Gives a name to the snapshot it is of; it need not have a row yet. */
export function linkBackend(tx: WriteTx, row: BackendRow, snapshot: bigint): void {
  const { namespace, snapshotter, backend } = row;
  const removing = "SELECT 1 FROM proxied_snapshots WHERE snapshotter = ? AND backend = ? AND state = 'removing'";
  if (tx.get(removing, snapshotter, backend) !== undefined) {
    const fix = "try again";
    throw new ContainerdError({ code: "unavailable", what: `snapshot ${backend} is being removed`, fix });
  }
  tx.run(
    `INSERT INTO proxied_snapshots (namespace, snapshotter, backend, snapshot, state) VALUES (?, ?, ?, ?, 'made')
     ON CONFLICT (namespace, snapshotter, backend) DO UPDATE SET snapshot = excluded.snapshot, state = 'made', owner = ''`,
    namespace,
    snapshotter,
    backend,
    snapshot,
  );
}

/** The name a snapshot has in the daemon. */
export function backendOf(tx: ReadTx, snapshot: bigint): string {
  const sql = "SELECT backend FROM proxied_snapshots WHERE snapshot = ? AND state = 'made'";
  const row = tx.get<{ readonly backend: string }>(sql, snapshot);
  if (row !== undefined) return row.backend;
  throw new ContainerdError({ code: "internal", what: `snapshot ${snapshot} of another daemon has no name there` });
}

/** Snapshots of a space by the names they have in the daemon. */
export function backendsIn(tx: ReadTx, { namespace, snapshotter }: SnapshotSpace): ReadonlyMap<bigint, string> {
  const sql =
    "SELECT snapshot, backend FROM proxied_snapshots WHERE namespace = ? AND snapshotter = ? AND state = 'made' AND snapshot IS NOT NULL";
  const rows = tx.all<{ readonly snapshot: bigint; readonly backend: string }>(sql, namespace, snapshotter);
  return new Map(rows.map(({ snapshot, backend }) => [snapshot, backend]));
}

/** Forgets a name that came to nothing, or leaves it, as garbage, to the collector, which asks the daemon. */
export function letGo(tx: WriteTx, { namespace, snapshotter, backend }: BackendRow): void {
  const sql = `UPDATE proxied_snapshots SET snapshot = NULL, state = 'made', owner = ''
    WHERE namespace = ? AND snapshotter = ? AND backend = ?`;
  tx.run(sql, namespace, snapshotter, backend);
}

export function forgetBackend(tx: WriteTx, { namespace, snapshotter, backend }: BackendRow): void {
  const sql = "DELETE FROM proxied_snapshots WHERE namespace = ? AND snapshotter = ? AND backend = ?";
  tx.run(sql, namespace, snapshotter, backend);
}

/** A name under which a snapshot is to be committed, and whether an earlier try may have come through. */
export interface CommitName {
  readonly backend: string;
  readonly again: boolean;
}

/** Begins the commit of a snapshot; takes over one whose process died, or which ended without an answer. */
export function beginCommit(tx: WriteTx, row: BackendRow, snapshot: bigint): CommitName {
  const { namespace, snapshotter } = row;
  const sql = "SELECT backend, owner FROM proxied_snapshots WHERE snapshot = ? AND state = 'committing'";
  const begun = tx.get<{ readonly backend: string; readonly owner: string }>(sql, snapshot);
  if (begun === undefined) {
    const insert = `INSERT INTO proxied_snapshots (namespace, snapshotter, backend, snapshot, state, owner)
      VALUES (?, ?, ?, ?, 'committing', ?)`;
    tx.run(insert, namespace, snapshotter, row.backend, snapshot, processIdentity());
    return { backend: row.backend, again: false };
  }
  if (begun.owner !== "" && processState(begun.owner) !== "gone") {
    throw new ContainerdError({ code: "failed_precondition", what: "snapshot is being committed by someone else" });
  }
  const own = "UPDATE proxied_snapshots SET owner = ? WHERE namespace = ? AND snapshotter = ? AND backend = ?";
  tx.run(own, processIdentity(), namespace, snapshotter, begun.backend);
  return { backend: begun.backend, again: true };
}

/** The commit ended without an answer: the next try finds out what became of it. */
export function leaveCommit(tx: WriteTx, { namespace, snapshotter, backend }: BackendRow): void {
  const sql = "UPDATE proxied_snapshots SET owner = '' WHERE namespace = ? AND snapshotter = ? AND backend = ?";
  tx.run(sql, namespace, snapshotter, backend);
}

/** The garbage among the names, the youngest first, marked as being removed. For the collector alone. */
export function claimGarbage(tx: WriteTx): readonly BackendRow[] {
  const sql =
    "SELECT namespace, snapshotter, backend, state, owner FROM proxied_snapshots WHERE snapshot IS NULL ORDER BY rowid DESC";
  type Row = BackendRow & { readonly state: string; readonly owner: string };
  const garbage = tx
    .all<Row>(sql)
    .filter(({ state, owner }) => state !== "making" || processState(owner) === "gone")
    .map(({ namespace, snapshotter, backend }) => ({ namespace, snapshotter, backend }));
  const claim =
    "UPDATE proxied_snapshots SET state = 'removing' WHERE namespace = ? AND snapshotter = ? AND backend = ?";
  for (const { namespace, snapshotter, backend } of garbage) tx.run(claim, namespace, snapshotter, backend);
  return garbage;
}

/** Whether the name is another snapshot's too: a daemon may give several namespaces the same one. */
export function isShared(tx: ReadTx, { namespace, snapshotter, backend }: BackendRow): boolean {
  const sql = `SELECT 1 FROM proxied_snapshots
    WHERE snapshotter = ? AND backend = ? AND namespace != ? AND snapshot IS NOT NULL LIMIT 1`;
  return tx.get(sql, snapshotter, backend, namespace) !== undefined;
}

/** Whether a collector has anything to ask a daemon for. */
export function hasProxyGarbage(tx: ReadTx): boolean {
  return tx.get("SELECT 1 FROM proxied_snapshots WHERE snapshot IS NULL LIMIT 1") !== undefined;
}
