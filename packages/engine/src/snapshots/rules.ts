import { ContainerdError } from "@ctr/api";
import { type Labels, SNAPSHOT_REF_LABEL } from "@ctr/oci";
import { addToLease } from "../metadata/leases.ts";
import type { Scope } from "../scope.ts";
import type { ReadTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { findSnapshot, getSnapshot, type SnapshotRecord, type SnapshotSpace } from "./records.ts";

/** What holds for the snapshots of every snapshotter, wherever their trees are. */

/** The error of a key or name that is taken. */
export function snapshotExists(key: string): ContainerdError {
  return new ContainerdError({ code: "already_exists", what: `snapshot ${JSON.stringify(key)}` });
}

/** `invalid_argument` for an empty key or name. */
export function checkSnapshotKey(key: string, noun: "key" | "name"): void {
  if (key === "") throw new ContainerdError({ code: "invalid_argument", what: `snapshot ${noun} must not be empty` });
}

/** `failed_precondition` for one that nothing can be written to. */
export function getActive(tx: ReadTx, space: SnapshotSpace, key: string): SnapshotRecord {
  const record = getSnapshot(tx, space, key);
  if (record.kind === "active") return record;
  throw new ContainerdError({ code: "failed_precondition", what: `snapshot ${key} is not active` });
}

/** `failed_precondition` for a committed one, which is not mounted as it is. */
export function checkMountable({ kind, name }: SnapshotRecord): void {
  if (kind !== "committed") return;
  throw new ContainerdError({ code: "failed_precondition", what: `snapshot ${name} is committed and has no mounts` });
}

/** A key that only the lease of a command that was killed keeps is free again once that is collected. */
export async function collectForKey(
  store: Store,
  space: SnapshotSpace,
  key: string,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  if (store.db.read((tx) => findSnapshot(tx, space, key)) === undefined) return;
  const { collectIfDirty } = await import("../gc/collect.ts");
  await collectIfDirty(store, options);
}

/** A client that wants a committed name to come of it is told when that is there already; a lease then keeps it. */
export function refuseTarget(store: Store, scope: Scope, space: SnapshotSpace, labels: Labels): void {
  const target = labels[SNAPSHOT_REF_LABEL];
  if (target === undefined) return;
  const found = store.db.read((tx) => findSnapshot(tx, space, target));
  if (found?.kind !== "committed") return;
  if (scope.lease !== undefined) {
    store.db.write((tx) => addToLease(tx, scope, `snapshots/${space.snapshotter}`, target));
  }
  throw targetExists(target);
}

export function targetExists(target: string): ContainerdError {
  return new ContainerdError({ code: "already_exists", what: `target snapshot ${JSON.stringify(target)}` });
}
