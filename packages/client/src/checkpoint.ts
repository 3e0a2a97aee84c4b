import type { protobufAny } from "@ctr/api";
import {
  type Descriptor,
  descriptorToGoJson,
  digestOf,
  encodeGoJson,
  goMap,
  hostPlatform,
  type Image,
  type Labels,
  mediaTypes,
  writeBlob,
} from "@ctr/oci";
import type { Client } from "./client.ts";
import { type CallSettings, signalOf } from "./settings.ts";

/** The layer of what a container has written. */
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip";

export interface CheckpointSettings extends CallSettings {
  /** A `containerd.runc.v1.CheckpointOptions`. */
  readonly options?: protobufAny.Any | undefined;
  /** Name of the image that the checkpoint becomes. */
  readonly name: string;
}

/**
 * Dumps a task with CRIU and stores what a restore takes, as an image: dump, spec, the container's image and what it has
 * written. The task is paused for it, and resumed whatever happens. Undefined where the options keep the dump in a
 * directory of the daemon's.
 */
export async function checkpointTask(
  client: Client,
  id: string,
  settings: CheckpointSettings,
): Promise<Image | undefined> {
  await using lease = await client.leases.hold({ signal: signalOf(settings) });
  const { status } = await client.tasks.get(id, settings);
  const resumes = status !== "paused";
  if (resumes) await client.tasks.pause(id, settings);
  try {
    return await dump(lease.client, id, settings);
  } finally {
    // One that ended with its dump cannot go on; of any other, the next to look says that it is paused.
    if (resumes) await client.tasks.resume(id).catch(() => undefined);
  }
}

async function dump(client: Client, id: string, settings: CheckpointSettings): Promise<Image | undefined> {
  const { os, architecture } = hostPlatform();
  const platform = { os, architecture };
  const dumped = await client.tasks.checkpoint(id, settings);
  if (dumped.length === 0) return undefined;
  const { image, snapshotKey, snapshotter } = await client.containers.get(id, settings);
  const entries: Descriptor[] = dumped.map((descriptor) => ({ ...descriptor, platform }));
  if (image !== "") entries.push((await client.images.get(image, settings)).target);
  if (snapshotKey !== "") {
    entries.push({ ...(await writtenLayer(client, { snapshotKey, snapshotter }, settings)), platform });
  }
  const target = await writeCheckpointIndex(client, entries, image === "" ? {} : { "image.name": image }, settings);
  const labels = { "containerd.io/checkpoint": "true" };
  return await client.images.create({ name: settings.name, target, labels }, settings);
}

/** What the container has written: the difference of its snapshot to the one below. */
export async function writtenLayer(
  client: Client,
  { snapshotKey, snapshotter }: { readonly snapshotKey: string; readonly snapshotter: string },
  settings: CallSettings,
): Promise<Descriptor> {
  const snapshots = client.snapshots(snapshotter);
  const { parent } = await snapshots.stat(snapshotKey, settings);
  const view = `${parent}-view-${snapshotKey}`;
  const lower = parent === "" ? [] : await snapshots.view(view, parent, settings);
  try {
    const upper = await snapshots.mounts(snapshotKey, settings);
    const options = { ...settings, mediaType: LAYER_TYPE, ref: `checkpoint-rw-${snapshotKey}` };
    return await client.differ.compare(lower, upper, options);
  } finally {
    if (parent !== "") await snapshots.remove(view);
  }
}

/** Stores the index of a checkpoint, which keeps its entries from collection. */
export async function writeCheckpointIndex(
  client: Client,
  entries: readonly Descriptor[],
  annotations: Labels,
  settings: CallSettings,
): Promise<Descriptor> {
  // Go writes a list that was never filled as null.
  const manifests = entries.length === 0 ? null : entries.map(descriptorToGoJson);
  const bytes = encodeGoJson({ schemaVersion: 2, manifests, annotations: goMap(annotations) });
  const descriptor = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: BigInt(bytes.byteLength) };
  const labels = Object.fromEntries(entries.map(({ digest }, at) => [`containerd.io/gc.ref.content.${at}`, digest]));
  const blob = { ref: `index-${descriptor.digest}`, descriptor, bytes };
  await writeBlob(client.content, blob, { signal: signalOf(settings), labels });
  return descriptor;
}
