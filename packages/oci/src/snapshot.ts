import type { Cancel, Labels, Timestamp } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";

/** A filesystem to mount, as containerd hands it out. `target` is relative to where the list is mounted. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

export type SnapshotKind = "unknown" | "view" | "active" | "committed";

export interface SnapshotInfo {
  readonly kind: SnapshotKind;
  /** Key of an active one or a view, name of a committed one. */
  readonly name: string;
  /** Name of the committed parent; "" for a base. */
  readonly parent: string;
  readonly labels: Labels;
  readonly createdAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
}

export interface SnapshotUsage {
  /** Bytes. */
  readonly size: bigint;
  readonly inodes: bigint;
}

export interface SnapshotOptions extends Cancel {
  readonly labels?: Labels;
}

/** One snapshotter of a store. */
export interface Snapshotter {
  readonly name: string;
  stat(key: string, options: Cancel): Promise<SnapshotInfo>;
  setLabels(name: string, labels: Labels, options: Cancel): Promise<SnapshotInfo>;
  walk(filters: readonly string[], options: Cancel): AsyncIterable<SnapshotInfo>;
  usage(key: string, options: Cancel): Promise<SnapshotUsage>;
  mounts(key: string, options: Cancel): Promise<readonly Mount[]>;
  /** A writable one. `already_exists` when the key, or a committed name given by label, is there. */
  prepare(key: string, parent: string, options: SnapshotOptions): Promise<readonly Mount[]>;
  /** A read-only one. */
  view(key: string, parent: string, options: SnapshotOptions): Promise<readonly Mount[]>;
  commit(name: string, key: string, options: SnapshotOptions): Promise<void>;
  remove(key: string, options: Cancel): Promise<void>;
}

export interface ApplyOptions extends Cancel {
  readonly syncFs?: boolean;
}

export interface CompareOptions extends Cancel {
  readonly mediaType: string;
  readonly ref?: string;
  readonly labels?: Labels;
}

/** Layers to trees and back. */
export interface Differ {
  /** Unpacks a layer over `mounts`; the descriptor returned is of the uncompressed tar, so its digest is the diff ID. */
  apply(layer: Descriptor, mounts: readonly Mount[], options: ApplyOptions): Promise<Descriptor>;
  /** The layer that turns `lower` into `upper`, stored as a blob. */
  compare(lower: readonly Mount[], upper: readonly Mount[], options: CompareOptions): Promise<Descriptor>;
}
