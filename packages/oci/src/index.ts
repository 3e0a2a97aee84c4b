export * from "./content.ts";
export * from "./descriptor.ts";
export * from "./digest.ts";
export * from "./image.ts";
export * from "./platform.ts";
export type {
  ApplyOptions,
  CompareOptions,
  Differ,
  Mount,
  SnapshotInfo,
  SnapshotKind,
  SnapshotOptions,
  Snapshotter,
  SnapshotUsage,
} from "./snapshot.ts";
