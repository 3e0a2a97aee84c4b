import { ContainerdError, hasCode, protobufAny } from "@ctr/api";
import { type Descriptor, type Index, isIndexType, mediaTypes, parseIndex, readBlob } from "@ctr/oci";
import { checkpointAnnotations } from "./checkpoint-annotations.ts";
import { checkDump } from "./checkpoint-dump.ts";
import { type CheckpointedRun, type TrustedRun, trustedRun } from "./checkpoint-trust.ts";
import type { Client } from "./client.ts";
import type { Container } from "./container.ts";
import { withGrace } from "./grace.ts";
import { type CallSettings, signalOf } from "./settings.ts";

export interface RestoreSettings extends CallSettings {
  /** Applies what the container had written. */
  readonly rw?: boolean | undefined;
  /** Looks for the dump of the task, too. */
  readonly live?: boolean | undefined;
  /** Takes spec and runtime options as they are: only for a checkpoint that the caller made. */
  readonly trust?: boolean | undefined;
}

export interface RestoredContainer {
  readonly container: Container;
  /** Of the task; for `createTask`. */
  readonly dump: Descriptor | undefined;
  /** Annotations of the spec that were left out. */
  readonly dropped: readonly string[];
}

/**
 * A new container from a checkpoint: a snapshot of the image that it names, which has to be there, and its spec and
 * runtime as far as they ask for nothing of the host. Never makes or moves an image name. What a failure leaves is
 * removed. The caller holds a lease that keeps the checkpoint.
 */
export async function restoreContainer(
  client: Client,
  checkpoint: Descriptor,
  id: string,
  settings: RestoreSettings,
): Promise<RestoredContainer> {
  const signal = signalOf(settings);
  const index = await readCheckpoint(client, checkpoint, signal);
  const run = await runOf(client, index, signal);
  const names = { namespace: client.namespace, id };
  const trusted: TrustedRun =
    settings.trust === true ? { ...run, spec: undefined, dropped: [] } : trustedRun(run, names);
  const written = settings.rw === true ? entryOf(index, mediaTypes.ociLayerGzip, "--rw") : undefined;
  const dump = settings.live === true ? dumpOf(index) : undefined;
  if (dump !== undefined) await checkDump(client.content, dump, { signal });
  const container = await makeContainer(client, { id, index, trusted, written }, signal);
  return { container, dump, dropped: trusted.dropped };
}

async function readCheckpoint(client: Client, target: Descriptor, signal: AbortSignal): Promise<Index> {
  if (!isIndexType(target.mediaType)) throw lacks("image name");
  return parseIndex(await readBlob(client.content, target.digest, { signal }), target);
}

async function runOf(client: Client, index: Index, signal: AbortSignal): Promise<CheckpointedRun> {
  const rawSpec = await readAny(client, entryOf(index, mediaTypes.checkpointConfig, "--task"), signal);
  const options = index.manifests.find(({ mediaType }) => mediaType === mediaTypes.checkpointRuntimeOptions);
  return {
    runtime: {
      name: annotation(index, "runtime", "runtime"),
      options: options === undefined ? undefined : await readAny(client, options, signal),
    },
    rawSpec,
  };
}

async function readAny(client: Client, { digest }: Descriptor, signal: AbortSignal): Promise<protobufAny.Any> {
  const bytes = await readBlob(client.content, digest, { signal });
  try {
    return protobufAny.Any.decode(bytes);
  } catch (cause) {
    throw new ContainerdError({
      code: "invalid_argument",
      what: "cannot read part of checkpoint",
      where: { digest },
      why: "it is not what its media type says",
      cause,
    });
  }
}

interface Restoring {
  readonly id: string;
  readonly index: Index;
  readonly trusted: TrustedRun;
  readonly written: Descriptor | undefined;
}

async function makeContainer(
  client: Client,
  { id, index, trusted, written }: Restoring,
  signal: AbortSignal,
): Promise<Container> {
  const image = await client.images.get(annotation(index, "image", "image name"), { signal });
  const { name: snapshotter } = client.snapshots(annotation(index, "snapshotter", "snapshotter"));
  const { chainID } = await client.images.unpack(image.target, { signal, snapshotter });
  const snapshots = client.snapshots(snapshotter);
  const mounts = await snapshots.prepare(id, chainID, { signal: withGrace(signal) });
  try {
    if (written !== undefined) await client.differ.apply(written, mounts, { signal });
    const { runtime, spec, rawSpec } = trusted;
    const record = { id, image: image.name, runtime, spec, rawSpec, snapshotter, snapshotKey: id };
    return await client.containers.create(record, { signal: withGrace(signal) });
  } catch (error) {
    await snapshots.remove(id).catch((missing: unknown) => {
      if (!hasCode(missing, "not_found")) throw missing;
    });
    throw error;
  }
}

function annotation(index: Index, key: keyof typeof checkpointAnnotations, what: string): string {
  const name = checkpointAnnotations[key];
  if (!Object.hasOwn(index.annotations, name)) throw lacks(what);
  return index.annotations[name] ?? "";
}

/** In the words of the Go client. */
function lacks(what: string): ContainerdError {
  return new ContainerdError({
    code: "unknown",
    what: `${what} not found in index`,
    fix: "this image is no checkpoint; one is made with: ctr containers checkpoint --task CONTAINER REF",
  });
}

function entryOf(index: Index, mediaType: string, flag: string): Descriptor {
  const found = index.manifests.find((each) => each.mediaType === mediaType);
  if (found !== undefined) return found;
  throw new ContainerdError({
    code: "unknown",
    what: "media type not found",
    fix: `the checkpoint was made without ${flag}`,
  });
}

function dumpOf(index: Index): Descriptor {
  const found = index.manifests.find(({ mediaType }) => mediaType === mediaTypes.checkpointCriu);
  if (found !== undefined) return found;
  throw new ContainerdError({
    code: "unknown",
    what: "checkpoint not found in index",
    fix: "the checkpoint was made without --task",
  });
}
