import type { AnyType } from "./any-type.ts";
import { CheckpointOptions, Options } from "./gen/containerd/types/runc/options/oci.ts";

/** What runc's runtime is told of a container, or of a task. */
export const RUNC_OPTIONS: AnyType<"containerd.runc.v1.Options"> = {
  typeUrl: "containerd.runc.v1.Options",
  codec: Options,
};

/** What it is told of a checkpoint. */
export const RUNC_CHECKPOINT_OPTIONS: AnyType<"containerd.runc.v1.CheckpointOptions"> = {
  typeUrl: "containerd.runc.v1.CheckpointOptions",
  codec: CheckpointOptions,
};
