import { ContainerdError, decodeAnyAs, type descriptorTypes, type protobufAny } from "@ctr/api";

/** Says of a checkpoint descriptor that it was restored to a directory, which this label names. */
const RESTORE_PATH = "RestoreFromPath";

/**
 * The directory to restore a task from; "" for a task that starts afresh. `unimplemented` for a checkpoint that is in
 * the content store: CRIU's files have to be in a directory.
 */
export function restorePath(checkpoint: descriptorTypes.Descriptor | undefined): string {
  if (checkpoint === undefined || isEmpty(checkpoint)) return "";
  const path = checkpoint.annotations[RESTORE_PATH];
  if (path) return path;
  throw new ContainerdError({
    code: "unimplemented",
    what: "cannot restore a checkpoint from the content store",
    where: { digest: checkpoint.digest },
    fix: "restore it from a directory of CRIU's files",
  });
}

function isEmpty({ digest, mediaType, annotations }: descriptorTypes.Descriptor): boolean {
  return digest === "" && mediaType === "" && Object.keys(annotations).length === 0;
}

/** Where a checkpoint is to be written, by its options; `unimplemented` when they name no directory. */
export function checkpointPath(options: protobufAny.Any | undefined): string {
  const path = decodeAnyAs(options, "containerd.runc.v1.CheckpointOptions")?.imagePath ?? "";
  if (path !== "") return path;
  throw new ContainerdError({
    code: "unimplemented",
    what: "cannot write a checkpoint to the content store",
    fix: "name a directory with --image-path",
  });
}
