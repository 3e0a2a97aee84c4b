import { processState } from "@ctr/sys";
import { isDirty } from "../metadata/dirty.ts";
import { hasAbandonedActivation } from "../mounts/records.ts";
import type { ReadTx } from "../store/database.ts";

/** Whether a collection would find something: it was let go, its time has passed, or its process has ended. */
export function isDue(tx: ReadTx, now: bigint): boolean {
  if (isDirty(tx)) return true;
  if (tx.get("SELECT 1 FROM ingests WHERE expires_at < ? LIMIT 1", now) !== undefined) return true;
  if (hasAbandonedActivation(tx)) return true;
  const owned = tx.all<{ readonly owner: string }>(
    `SELECT owner FROM leases l WHERE owner != '' AND EXISTS (SELECT 1 FROM lease_resources r
       WHERE r.namespace = l.namespace AND r.lease = l.id AND r.type LIKE 'snapshots/%')`,
  );
  return owned.some(({ owner }) => processState(owner) === "gone");
}
