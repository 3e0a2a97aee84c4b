import type { Labels, Mount } from "@ctr/oci";
import { processIdentity, processState } from "@ctr/sys";
import { labelsFromColumn, labelsToColumn } from "../metadata/labels.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";

/** What stands of an activation. */
export interface ActiveMount {
  readonly type: string;
  readonly mountPoint: string;
  /** Nanoseconds since 1970. */
  readonly mountedAt: bigint;
}

/** A list that was mounted under a name. */
export interface ActivationRecord {
  /** Names its directory, and is never used again. */
  readonly id: bigint;
  readonly name: string;
  readonly labels: Labels;
  readonly active: readonly ActiveMount[];
  /** What is left for the caller to mount. */
  readonly system: readonly Mount[];
  /** False while it is being made, and for ever where that process died. */
  readonly ready: boolean;
  /** The process that is making it is no more. */
  readonly abandoned: boolean;
}

interface Row {
  readonly id: bigint;
  readonly name: string;
  readonly labels: string;
  readonly active: string;
  readonly system: string;
  readonly state: "making" | "ready";
  readonly owner: string;
}

const SELECT = "SELECT id, name, labels, active, system, state, owner FROM activations";

export function findActivation(tx: ReadTx, namespace: string, name: string): ActivationRecord | undefined {
  const row = tx.get<Row>(`${SELECT} WHERE namespace = ? AND name = ?`, namespace, name);
  return row === undefined ? undefined : recordOf(row);
}

/** All of a namespace, by name. */
export function listActivations(tx: ReadTx, namespace: string): readonly ActivationRecord[] {
  return tx.all<Row>(`${SELECT} WHERE namespace = ? ORDER BY name`, namespace).map(recordOf);
}

/** Adds the row of an activation that is about to be made, before anything is mounted, and gives its id. */
export function insertActivation(
  tx: WriteTx,
  namespace: string,
  made: { readonly name: string; readonly labels: Labels; readonly lease: string | undefined; readonly now: bigint },
): bigint {
  tx.run(
    `INSERT INTO activations (namespace, name, labels, lease, state, owner, created_at) VALUES (?, ?, ?, ?, 'making', ?, ?)`,
    namespace,
    made.name,
    labelsToColumn(made.labels),
    made.lease ?? "",
    processIdentity(),
    made.now,
  );
  return tx.lastId();
}

export function setActivated(
  tx: WriteTx,
  id: bigint,
  made: { readonly active: readonly ActiveMount[]; readonly system: readonly Mount[] },
): void {
  const active = made.active.map((each) => ({ ...each, mountedAt: String(each.mountedAt) }));
  const sql = "UPDATE activations SET active = ?, system = ?, state = 'ready', owner = '' WHERE id = ?";
  tx.run(sql, JSON.stringify(active), JSON.stringify(made.system), id);
}

export function deleteActivation(tx: WriteTx, id: bigint): void {
  tx.run("DELETE FROM activations WHERE id = ?", id);
}

/** Ids of all that have a row, of any namespace: what stands under another id is debris. */
export function activationIds(tx: ReadTx): ReadonlySet<string> {
  return new Set(tx.all<{ readonly id: bigint }>("SELECT id FROM activations").map(({ id }) => String(id)));
}

/** Whether a process died while it made one. */
export function hasAbandonedActivation(tx: ReadTx): boolean {
  const rows = tx.all<{ readonly owner: string }>("SELECT owner FROM activations WHERE state = 'making'");
  return rows.some(({ owner }) => processState(owner) === "gone");
}

function recordOf(row: Row): ActivationRecord {
  // The columns are what setActivated wrote.
  const active = JSON.parse(row.active) as readonly (Omit<ActiveMount, "mountedAt"> & { readonly mountedAt: string })[];
  return {
    id: row.id,
    name: row.name,
    labels: labelsFromColumn(row.labels),
    active: active.map((each) => ({ ...each, mountedAt: BigInt(each.mountedAt) })),
    system: JSON.parse(row.system) as readonly Mount[],
    ready: row.state === "ready",
    abandoned: row.state === "making" && processState(row.owner) === "gone",
  };
}
