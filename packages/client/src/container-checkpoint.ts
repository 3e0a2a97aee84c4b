import { ContainerdError, encodeAny, hasCode, protobufAny } from "@ctr/api";
import { type Descriptor, digestOf, hostPlatform, type Image, mediaTypes, writeBlob } from "@ctr/oci";
import { writeCheckpointIndex, writtenLayer } from "./checkpoint.ts";
import { checkpointAnnotations } from "./checkpoint-annotations.ts";
import type { Client } from "./client.ts";
import type { Container } from "./container.ts";
import { type CallSettings, signalOf } from "./settings.ts";

export interface ContainerCheckpointSettings extends CallSettings {
  /** Name of the image that the checkpoint becomes; `already_exists` when there is one. */
  readonly name: string;
  /** Names the container's image in it, so that the image is kept and pushed with the checkpoint. */
  readonly image?: boolean | undefined;
  /** Adds what the container has written. */
  readonly rw?: boolean | undefined;
  /** Adds a dump of the task by CRIU, and the spec: without it nothing can be restored. */
  readonly task?: boolean | undefined;
}

/**
 * Stores what a container is as an image: its runtime and, as asked for, its image, what it has written and its task.
 * Pausing the task meanwhile is the caller's.
 */
export async function checkpointContainer(
  client: Client,
  container: Container,
  settings: ContainerCheckpointSettings,
): Promise<Image> {
  await using lease = await client.leases.hold({ signal: signalOf(settings) });
  const image = await imageOf(lease.client, container, settings);
  const entries: Descriptor[] = [];
  const { options } = container.runtime;
  if (options !== undefined) {
    entries.push(await writeAny(lease.client, options, mediaTypes.checkpointRuntimeOptions, settings));
  }
  if (settings.image === true) entries.push(image.target);
  if (settings.rw === true) entries.push(onHost(await writtenLayer(lease.client, container, settings)));
  if (settings.task === true) entries.push(...(await dumpTask(lease.client, container.id, settings)));
  const annotations = {
    [checkpointAnnotations.image]: image.name,
    [checkpointAnnotations.runtime]: container.runtime.name,
    [checkpointAnnotations.snapshotter]: container.snapshotter,
  };
  const target = await writeCheckpointIndex(lease.client, entries, annotations, settings);
  return await lease.client.images.create({ name: settings.name, target }, settings);
}

async function imageOf(client: Client, { id, image }: Container, settings: CallSettings): Promise<Image> {
  if (image !== "") return await client.images.get(image, settings);
  throw new ContainerdError({
    code: "not_found",
    what: "container not created from an image",
    fix: `only what an image began can be restored: ${id} has a directory or a file of its own`,
  });
}

async function dumpTask(client: Client, id: string, settings: CallSettings): Promise<readonly Descriptor[]> {
  const options = encodeAny("containerd.runc.v1.CheckpointOptions", { fileLocks: true });
  const dumped = await client.tasks.checkpoint(id, { ...settings, options }).catch((error: unknown) => {
    throw hasCode(error, "already_exists") ? stillThere(id, error) : error;
  });
  const asked = await writeAny(client, options, mediaTypes.checkpointOptions, settings);
  return [...dumped.map(onHost), asked];
}

/** The Go client goes on here, with a checkpoint that lacks dump and spec and cannot be restored. */
function stillThere(id: string, cause: unknown): ContainerdError {
  return new ContainerdError({
    code: "already_exists",
    what: "cannot checkpoint task",
    where: { container: id },
    why: "the daemon has the dump or the spec of an earlier checkpoint, and stores neither twice",
    fix: "delete the earlier checkpoint first: ctr images rm --sync REF",
    cause,
  });
}

async function writeAny(
  client: Client,
  any: protobufAny.Any,
  mediaType: string,
  settings: CallSettings,
): Promise<Descriptor> {
  const bytes = protobufAny.Any.encode(any).finish();
  const descriptor = { mediaType, digest: digestOf(bytes), size: BigInt(bytes.byteLength) };
  await writeBlob(
    client.content,
    { ref: `checkpoint-${descriptor.digest}`, descriptor, bytes },
    { signal: signalOf(settings) },
  );
  return onHost(descriptor);
}

/** A dump fits machines like this one. */
function onHost(descriptor: Descriptor): Descriptor {
  const { os, architecture } = hostPlatform();
  return { ...descriptor, platform: { os, architecture } };
}
