import { type ChainID, type Descriptor, defaultPlatforms, type Labels, type UnpackEvent, unpackImage } from "@ctr/oci";
import type { Client } from "./client.ts";
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
  const { content, differ } = lease.client;
  const { matcher = defaultPlatforms(), snapshotLabels, syncFs, onLayer } = settings;
  const snapshotter = lease.client.snapshots(settings.snapshotter);
  return await unpackImage({ content, differ, snapshotter }, target, {
    signal: signalOf(settings),
    matcher,
    ...(snapshotLabels === undefined ? {} : { snapshotLabels }),
    ...(syncFs === undefined ? {} : { syncFs }),
    ...(onLayer === undefined ? {} : { onLayer }),
  });
}
