import { chainIDOf } from "../chain-id.ts";
import type { Descriptor } from "../descriptor.ts";
import { descriptorToGoJson } from "../descriptor-json.ts";
import { type Digest, digestOf } from "../digest.ts";
import { encodeGoJson, type GoJson } from "../go-json.ts";
import { mediaTypes } from "../media-type.ts";
import type { Platform } from "../platform.ts";

/** An image's parts, all in memory; every descriptor has its bytes in `blobs`. */
export interface TestImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIDs: readonly Digest[];
  readonly chainID: Digest;
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

/** Describes bytes. */
export function descriptorOf(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: BigInt(bytes.byteLength) };
}

/** An image of uncompressed layers with the bytes given, which need not be tar. */
export function buildImage(layers: readonly Uint8Array[], platform: Platform): TestImage {
  const diffIDs = layers.map(digestOf);
  const config = encodeGoJson({
    architecture: platform.architecture,
    os: platform.os,
    variant: platform.variant,
    config: { Env: ["PATH=/bin"], Cmd: ["/bin/sh"], Labels: { made: "by a test" } },
    rootfs: { type: "layers", diff_ids: diffIDs },
  });
  const configDescriptor = descriptorOf(mediaTypes.ociConfig, config);
  const layerDescriptors = layers.map((layer) => descriptorOf(mediaTypes.ociLayer, layer));
  const manifest = encodeGoJson({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptorToGoJson(configDescriptor),
    layers: layerDescriptors.map(descriptorToGoJson),
  });
  const blobs = [config, manifest, ...layers].map((bytes) => [digestOf(bytes), bytes] as const);
  return {
    manifest: { ...descriptorOf(mediaTypes.ociManifest, manifest), platform },
    config: configDescriptor,
    layers: layerDescriptors,
    diffIDs,
    chainID: chainIDOf(diffIDs),
    blobs: new Map(blobs),
  };
}

/** An index of `images`, with the bytes of all of them. */
export function buildIndex(images: readonly TestImage[]): {
  readonly index: Descriptor;
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
} {
  const manifests: GoJson[] = images.map((image) => descriptorToGoJson(image.manifest));
  const bytes = encodeGoJson({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
  const blobs = new Map(images.flatMap((image) => [...image.blobs]));
  blobs.set(digestOf(bytes), bytes);
  return { index: descriptorOf(mediaTypes.ociIndex, bytes), blobs };
}
