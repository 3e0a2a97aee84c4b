import { ContainerdError, hasCode } from "@ctr/api";
import { processIdentity } from "@ctr/sys";
import { EXPIRE_LABEL } from "../metadata/images.ts";
import { createLease, deleteLease, listLeaseResources } from "../metadata/leases.ts";
import type { Scope } from "../scope.ts";
import type { Store } from "../store/store.ts";

/** A transfer that hangs for longer than this has lost its reason, in nanoseconds; as containerd. */
const LIFE = 24n * 3600n * 1_000_000_000n;

/**
 * Does `work` under a lease of its own, unless the call brought one. A transfer that was interrupted, by the client, a
 * crash or the network, leaves the lease for a day: the next one fetches only what is missing.
 */
export async function underLease<T>(store: Store, scope: Scope, work: (scope: Scope) => Promise<T>): Promise<T> {
  if (scope.lease !== undefined) return await work(scope);
  const { namespace } = scope;
  const expires = new Date(Number((store.clock.now() + LIFE) / 1_000_000n)).toISOString();
  const wanted = { id: "", labels: { [EXPIRE_LABEL]: expires }, owner: processIdentity() };
  // It ends with this process; what it is to keep is written later, and what it kept was written before it goes.
  const lease = store.db.writeUnsynced((tx) => createLease(store, tx, namespace, wanted)).id;
  const result = await work({ namespace, lease }).catch((error: unknown) => {
    if (!isInterruption(error) || !holdsAnything(store, namespace, lease)) release(store, namespace, lease);
    throw error;
  });
  // Not where the failure of the work is caught: of a lease that is gone, though the disk failed then, nothing is asked.
  release(store, namespace, lease);
  return result;
}

function isInterruption(error: unknown): boolean {
  return !(error instanceof ContainerdError) || hasCode(error, "unavailable", "deadline_exceeded", "cancelled");
}

function holdsAnything(store: Store, namespace: string, lease: string): boolean {
  return store.db.read((tx) => listLeaseResources(tx, namespace, lease)).length > 0;
}

function release(store: Store, namespace: string, lease: string): void {
  try {
    store.db.writeUnsynced((tx) => deleteLease(tx, namespace, lease));
  } catch (error) {
    // Expired or deleted by someone else: the wanted state.
    if (!hasCode(error, "not_found")) throw error;
  }
}
