import { type Labels, SNAPSHOT_REF_LABEL } from "@ctr/oci";
import type { Store } from "../store/store.ts";

/** Labels that are a snapshotter's business, as containerd has it; the others stay with the record. */
const INHERITED_PREFIX = "containerd.io/snapshot/";

/**
 * Keeps a snapshot from the collector of a daemon that has one, as a containerd does, and says whose it is. What names
 * it there are rows of ours, of which the daemon knows nothing. Under this very key: containerd 1.6 takes no longer one.
 */
const KEEP_LABEL = "containerd.io/gc.root";

/** The labels a daemon is told of. */
export function inheritedLabels(labels: Labels): Labels {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => key.startsWith(INHERITED_PREFIX) || key === SNAPSHOT_REF_LABEL),
  );
}

/** The same for a snapshot that is made, or committed. */
export function remoteLabels(store: Pick<Store, "id">, labels: Labels): Labels {
  return { ...inheritedLabels(labels), [KEEP_LABEL]: store.id };
}

/** A daemon's labels without the one that is for it alone. */
export function shownLabels({ [KEEP_LABEL]: _keep, ...labels }: Labels): Labels {
  return labels;
}

/** Whether the daemon made a snapshot for this store. */
export function isOurs(store: Pick<Store, "id">, labels: Labels): boolean {
  return labels[KEEP_LABEL] === store.id;
}

/** Keys that one set of labels has otherwise than the other. */
export function changedKeys(before: Labels, after: Labels): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => before[key] !== after[key]);
}
