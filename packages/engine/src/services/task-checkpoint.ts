import { decodeAnyOf, type descriptorTypes, type protobufAny, RUNC_CHECKPOINT_OPTIONS } from "@ctr/api";
import { type Descriptor, parseDigest } from "@ctr/oci";
import type { Restore } from "../runtime/task-create.ts";

/** Says of a checkpoint descriptor that it was restored to a directory, which this label names. */
const RESTORE_PATH = "RestoreFromPath";

/** What a task is restored from; `extract` puts a dump from the content store into a directory. */
export function restoreOf(
  checkpoint: descriptorTypes.Descriptor | undefined,
  extract: (dump: Descriptor, dir: string) => Promise<void>,
): Restore {
  if (checkpoint === undefined || isEmpty(checkpoint)) return { kind: "none" };
  const path = checkpoint.annotations[RESTORE_PATH];
  if (path) return { kind: "directory", path };
  const { mediaType, size } = checkpoint;
  const dump = { mediaType, size, digest: parseDigest(checkpoint.digest) };
  return { kind: "content", extract: (dir) => extract(dump, dir) };
}

function isEmpty({ digest, mediaType, annotations }: descriptorTypes.Descriptor): boolean {
  return digest === "" && mediaType === "" && Object.keys(annotations).length === 0;
}

/** Where a checkpoint is to be written, by its options; "" where it is to be stored. */
export function checkpointPath(options: protobufAny.Any | undefined): string {
  return decodeAnyOf(RUNC_CHECKPOINT_OPTIONS, options)?.imagePath ?? "";
}
