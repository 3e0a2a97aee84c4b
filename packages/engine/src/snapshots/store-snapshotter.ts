import type { Cancel, Labels, SnapshotInfo, SnapshotOptions, Snapshotter } from "@ctr/oci";

/** A snapshotter with what the service asks of one besides; the engine's own are some, those of other daemons too. */
export interface StoreSnapshotter extends Snapshotter {
  /** Replaces the labels with what `change` makes of them, in one transaction. */
  update(key: string, change: (labels: Labels) => Labels, options: Cancel): Promise<SnapshotInfo>;
  /** `parent` gives one to a base. */
  commit(name: string, key: string, options: SnapshotOptions & { readonly parent?: string }): Promise<void>;
  /** Deletes what no snapshot names; `unimplemented` where the snapshotter has no such call. */
  cleanup(options: Cancel): Promise<void>;
}
