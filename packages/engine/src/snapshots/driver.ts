import type { Mount } from "@ctr/oci";

/** Where a snapshot stands in its chain; what a driver needs to know of it. */
export interface SnapshotPlace {
  readonly id: bigint;
  readonly kind: "view" | "active" | "committed";
  /** Ids of the committed parents, the nearest first. */
  readonly parents: readonly bigint[];
}

export interface NewSnapshot {
  readonly kind: "view" | "active";
  readonly parents: readonly bigint[];
  /** Owner of the root directory, where the snapshot is for mapped users; else it is the parent's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** How one kind of snapshotter keeps trees on disk. It has directories by id; names, parents and labels are rows. */
export interface SnapshotDriver {
  readonly name: string;
  /** Directory of all its snapshots, one directory by id each. */
  readonly dir: string;
  /** Words for introspection, as containerd's plugin gives them. */
  readonly capabilities: readonly string[];
  /** Whether a client may ask for a clean-up; containerd's native snapshotter has none. */
  readonly hasCleanup: boolean;
  /** Fills `dir`, a new directory that will be renamed to the id. */
  fill(dir: string, snapshot: NewSnapshot, options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Fills again what lost power took of one that is not committed. A driver that has this need not wait for the disk when
   * it makes one: until it is committed nothing in a snapshot was promised to last.
   */
  refill?(place: SnapshotPlace): void;
  mounts(place: SnapshotPlace): readonly Mount[];
  /** The directory whose bytes are the snapshot's own; undefined when it has none, as a view. */
  ownTree(place: SnapshotPlace): string | undefined;
}
