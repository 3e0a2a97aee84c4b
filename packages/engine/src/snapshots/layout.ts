import type { Store } from "../store/store.ts";

/** The engine's own snapshotters. */
export const ownSnapshotters = ["overlayfs", "native"] as const;

/** Where the snapshots of one of them are: containerd's own layout, so that other tools can read it. */
export function snapshotsDir({ root }: Pick<Store, "root">, name: (typeof ownSnapshotters)[number]): string {
  return `${root}/io.containerd.snapshotter.v1.${name}/snapshots`;
}
