import {
  type ChainID,
  type Descriptor,
  defaultPlatforms,
  type Labels,
  type UnpackEvent,
  type UnpackOptions,
  type UnpackTarget,
  unpackImage,
} from "@ctr/oci";
import type { Client } from "./client.ts";
import { withGrace } from "./grace.ts";
import type { SnapshotterSettings } from "./images.ts";
import { signalOf } from "./settings.ts";

export interface UnpackSettings extends SnapshotterSettings {
  /** Labels for every snapshot, as a snapshotter's own options need them. */
  readonly snapshotLabels?: Labels | undefined;
  /** Flush each layer to disk before the next. */
  readonly syncFs?: boolean | undefined;
  readonly onLayer?: ((event: UnpackEvent) => void) | undefined;
}

export interface UnpackedImage {
  /** Name of the top snapshot. */
  readonly chainID: ChainID;
  /** False when every layer was there already. */
  readonly applied: boolean;
}

/** Unpacks under a lease: a snapshot that no image refers to yet is anybody's to collect. */
export async function unpackTo(client: Client, target: Descriptor, settings: UnpackSettings): Promise<UnpackedImage> {
  await using lease = await client.leases.hold({ signal: settings.signal });
  return await unpackImage(unpackTarget(lease.client, settings), target, unpackOptions(settings));
}

/** Where a client unpacks to. */
export function unpackTarget(client: Client, { snapshotter }: SnapshotterSettings): UnpackTarget {
  return { content: client.content, differ: client.differ, snapshotter: client.snapshots(snapshotter) };
}

/** How; without a matcher, what runs on this machine. */
export function unpackOptions(settings: UnpackSettings): UnpackOptions {
  const { matcher = defaultPlatforms(), snapshotLabels, syncFs, onLayer } = settings;
  const signal = signalOf(settings);
  return {
    signal,
    prepareSignal: withGrace(signal),
    matcher,
    ...(snapshotLabels === undefined ? {} : { snapshotLabels }),
    ...(syncFs === undefined ? {} : { syncFs }),
    ...(onLayer === undefined ? {} : { onLayer }),
  };
}
