import {
  chainIDs,
  checkImage,
  type Descriptor,
  defaultPlatforms,
  findConfig,
  type ImageCheck,
  type ImageConfig,
  imageSize,
  isUnpacked,
  type Platform,
  type PlatformMatcher,
  presentPlatforms,
  readDiffIDs,
} from "@ctr/oci";
import type { Client } from "./client.ts";
import type { PlatformSettings, SnapshotterSettings } from "./images.ts";
import { type CallSettings, signalOf } from "./settings.ts";

// What `Images` tells after reading manifests and configs. Loaded when asked: most commands read no image.

/** The name of the snapshot that holds the whole unpacked image. */
export async function imageChainID(client: Client, target: Descriptor, settings: PlatformSettings): Promise<string> {
  return (await topChainID(client, target, settings)) ?? "";
}

/** Whether that snapshot is there. */
export async function imageIsUnpacked(
  client: Client,
  target: Descriptor,
  settings: SnapshotterSettings,
): Promise<boolean> {
  const top = await topChainID(client, target, settings);
  return top !== undefined && isUnpacked(client.snapshots(settings.snapshotter), top, optionsOf(settings));
}

/** What the image needs and what of it is there. */
export function checkImageContent(client: Client, target: Descriptor, settings: PlatformSettings): Promise<ImageCheck> {
  return checkImage(client.content, target, optionsOf(settings));
}

/** Bytes by the image's descriptors. */
export function imageContentSize(
  client: Client,
  target: Descriptor,
  settings: PlatformSettings,
): Promise<{ readonly size: bigint; readonly fault: unknown }> {
  return imageSize(client.content, target, optionsOf(settings));
}

/** Platforms whose manifest and config are there. */
export function imagePlatforms(
  client: Client,
  target: Descriptor,
  settings: CallSettings,
): Promise<readonly Platform[]> {
  return presentPlatforms(client.content, target, { signal: signalOf(settings) });
}

/** The configuration of the manifest that fits best, with its descriptor. */
export function imageConfig(
  client: Client,
  target: Descriptor,
  settings: PlatformSettings,
): Promise<{ readonly descriptor: Descriptor; readonly config: ImageConfig }> {
  return findConfig(client.content, target, optionsOf(settings));
}

async function topChainID(client: Client, target: Descriptor, settings: PlatformSettings) {
  return chainIDs(await readDiffIDs(client.content, target, optionsOf(settings))).at(-1);
}

function optionsOf(settings: PlatformSettings): { readonly signal: AbortSignal; readonly matcher: PlatformMatcher } {
  return { signal: signalOf(settings), matcher: settings.matcher ?? defaultPlatforms() };
}
