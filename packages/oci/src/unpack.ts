import { ContainerdError, hasCode } from "@ctr/api";
import { readBlob } from "./blob.ts";
import { type ChainID, chainIDs } from "./chain-id.ts";
import type { Cancel, ContentStore, Labels } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { findManifest, type PlatformOptions } from "./image-graph.ts";
import { type ImageConfig, parseImageConfig } from "./manifest.ts";
import { isEncryptedType } from "./media-type.ts";
import type { Differ, Mount, Snapshotter } from "./snapshot.ts";

/** Label of an extraction snapshot: the chain ID it is to become. */
export const SNAPSHOT_REF_LABEL = "containerd.io/snapshot.ref";
/** Label of a layer blob: the digest of its uncompressed tar. */
export const UNCOMPRESSED_LABEL = "containerd.io/uncompressed";
/** Label of a config blob, with a snapshotter's name behind it: the snapshot that holds the unpacked image. */
export const SNAPSHOT_GC_PREFIX = "containerd.io/gc.ref.snapshot.";

/** Tries to find a free extraction key before giving up, as containerd. */
const PREPARE_TRIES = 3;
/** Annotations with this prefix are handed on to remote snapshotters. */
const INHERITED_PREFIX = "containerd.io/snapshot/";

/** Where an image is unpacked. */
export interface UnpackTarget {
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly differ: Differ;
}

export interface UnpackOptions extends PlatformOptions {
  /** Labels for every snapshot, as a snapshotter's own options need them. */
  readonly snapshotLabels?: Labels;
  readonly syncFs?: boolean;
  /** Ends a call that makes a snapshot; `signal` without it. Given up halfway, it may leave one that nobody knows of. */
  readonly prepareSignal?: AbortSignal;
  readonly onLayer?: (event: UnpackEvent) => void;
}

/** One layer's fate; `exists` when its snapshot was there. */
export interface UnpackEvent {
  readonly kind: "extracting" | "extracted" | "exists";
  readonly layer: Descriptor;
  readonly chainID: ChainID;
}

export interface Unpacked {
  readonly chainID: ChainID;
  /** False when every layer was there already. */
  readonly applied: boolean;
}

/** A layer with all that names it. */
export interface ImageLayer {
  readonly blob: Descriptor;
  readonly diffID: Digest;
  /** Chain ID of the layers below; "" for the base. */
  readonly parent: string;
  readonly chainID: ChainID;
}

/**
 * Unpacks the manifest of `image` that fits best: every layer applied on its parent and committed under its chain ID,
 * layers labelled with their diff ID, the config with the top snapshot. What was unpacked before is kept; a failure
 * leaves no extraction snapshot. Throws `invalid_argument` when config and manifest disagree, `failed_precondition`
 * when a layer is not what the config says.
 */
export async function unpackImage(target: UnpackTarget, image: Descriptor, options: UnpackOptions): Promise<Unpacked> {
  const { manifest } = await findManifest(target.content, image, options);
  const config = parseImageConfig(await readBlob(target.content, manifest.config.digest, options));
  const layers = pairLayers(manifest.layers, config);
  const top = layers.at(-1);
  if (top === undefined) {
    throw new ContainerdError({ code: "invalid_argument", what: "cannot unpack image", why: "there are no layers" });
  }
  let applied = false;
  for (const layer of layers) applied = (await unpackLayer(target, layer, options)) || applied;
  const label = SNAPSHOT_GC_PREFIX + target.snapshotter.name;
  await target.content.setLabels(manifest.config.digest, { [label]: top.chainID }, options);
  return { chainID: top.chainID, applied };
}

/** Whether the image's top snapshot is there. */
export async function isUnpacked(snapshotter: Snapshotter, chainID: ChainID, options: Cancel): Promise<boolean> {
  return hasSnapshot(snapshotter, chainID, options);
}

/** Layers and diff IDs as pairs, base first. Throws `invalid_argument` when config and manifest disagree. */
export function pairLayers(blobs: readonly Descriptor[], config: ImageConfig): readonly ImageLayer[] {
  if (config.rootfsType !== "" && config.rootfsType !== "layers") {
    throw mismatch(`unsupported rootfs type ${JSON.stringify(config.rootfsType)}`);
  }
  if (blobs.length !== config.diffIDs.length) {
    throw mismatch(`number of layers and diffIDs don't match: ${blobs.length} != ${config.diffIDs.length}`);
  }
  const chain = chainIDs(config.diffIDs);
  return blobs.map((blob, index) => {
    const diffID = config.diffIDs[index];
    const chainID = chain[index];
    if (diffID === undefined || chainID === undefined) throw mismatch(`layer ${index} has no diff ID`);
    return { blob, diffID, chainID, parent: chain[index - 1] ?? "" };
  });
}

function mismatch(why: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: "cannot unpack image", why });
}

/** Unpacks one layer of an image on its parent, which is there. True when it was applied, false when its snapshot was there. */
export async function unpackLayer(target: UnpackTarget, layer: ImageLayer, options: UnpackOptions): Promise<boolean> {
  const report = (kind: UnpackEvent["kind"]) => options.onLayer?.({ kind, layer: layer.blob, chainID: layer.chainID });
  const labels = snapshotLabels(layer, options);
  const extraction = await prepareExtraction(target.snapshotter, layer, labels, options);
  if (extraction === undefined) {
    report("exists");
    return false;
  }
  report("extracting");
  try {
    await applyLayer(target.differ, layer, { ...options, mounts: extraction.mounts });
    await target.snapshotter.commit(layer.chainID, extraction.key, { labels, signal: options.signal });
  } catch (error) {
    await removeQuietly(target.snapshotter, extraction.key);
    // Someone else committed the same layer first: theirs is as good.
    if (!hasCode(error, "already_exists")) throw error;
  }
  await target.content.setLabels(layer.blob.digest, { [UNCOMPRESSED_LABEL]: layer.diffID }, options);
  report("extracted");
  return true;
}

/** What the snapshot of a layer is labelled with, while it is unpacked and afterwards. */
export function snapshotLabels(layer: ImageLayer, options: Pick<UnpackOptions, "snapshotLabels"> = {}): Labels {
  const inherited = Object.entries(layer.blob.annotations ?? {}).filter(([key]) => key.startsWith(INHERITED_PREFIX));
  return { ...options.snapshotLabels, ...Object.fromEntries(inherited), [SNAPSHOT_REF_LABEL]: layer.chainID };
}

/** A snapshot to extract into; `undefined` when the layer is committed already. */
async function prepareExtraction(
  snapshotter: Snapshotter,
  layer: ImageLayer,
  labels: Labels,
  options: UnpackOptions,
): Promise<{ readonly key: string; readonly mounts: readonly Mount[] } | undefined> {
  if (await hasSnapshot(snapshotter, layer.chainID, options)) return undefined;
  for (let attempt = 1; ; attempt++) {
    const key = extractionKey(layer.chainID);
    try {
      const signal = options.prepareSignal ?? options.signal;
      return { key, mounts: await snapshotter.prepare(key, layer.parent, { labels, signal }) };
    } catch (error) {
      if (!hasCode(error, "already_exists")) throw prepareFailed(key, error);
      // A remote snapshotter answers so when it has the layer; else the key is taken, and another one is tried.
      if (await hasSnapshot(snapshotter, layer.chainID, options)) return undefined;
      if (attempt === PREPARE_TRIES) throw prepareFailed(key, error);
    }
  }
}

function prepareFailed(key: string, cause: unknown): ContainerdError {
  const what = `failed to prepare extraction snapshot ${JSON.stringify(key)}`;
  return new ContainerdError({ code: codeOf(cause), what, why: messageOf(cause), cause });
}

async function applyLayer(
  differ: Differ,
  layer: ImageLayer,
  options: UnpackOptions & { readonly mounts: readonly Mount[] },
): Promise<void> {
  checkEncryption(layer);
  let diff: Descriptor;
  try {
    const syncFs = options.syncFs === undefined ? {} : { syncFs: options.syncFs };
    diff = await differ.apply(layer.blob, options.mounts, { signal: options.signal, ...syncFs });
  } catch (cause) {
    throw extractionFailed(layer, cause);
  }
  checkDiffID(layer, diff.digest);
}

/** Throws `unimplemented` for a layer that cannot be read without its key. */
export function checkEncryption(layer: ImageLayer): void {
  if (!isEncryptedType(layer.blob.mediaType)) return;
  const what = `failed to extract layer ${layer.diffID}`;
  const fix = "pull a version that is not encrypted; ctr holds no keys";
  throw new ContainerdError({ code: "unimplemented", what, why: "the layer is encrypted", fix });
}

/** The error of a layer that could not be unpacked, in the code and words of its cause. */
export function extractionFailed(layer: ImageLayer, cause: unknown): ContainerdError {
  const what = `failed to extract layer ${layer.diffID}`;
  return new ContainerdError({ code: codeOf(cause), what, why: messageOf(cause), cause });
}

/** Throws `failed_precondition` when a layer is not what the config says. */
export function checkDiffID(layer: ImageLayer, digest: Digest): void {
  if (digest === layer.diffID) return;
  throw new ContainerdError({
    code: "failed_precondition",
    what: `wrong diff id calculated on extraction ${JSON.stringify(layer.diffID)}`,
    why: `the layer unpacks to ${digest}`,
  });
}

async function hasSnapshot(snapshotter: Snapshotter, name: string, options: Cancel): Promise<boolean> {
  try {
    return (await snapshotter.stat(name, options)).kind === "committed";
  } catch (error) {
    if (hasCode(error, "not_found")) return false;
    throw error;
  }
}

/** Clean-up outlives the caller's signal, and must not hide the error that led to it: GC takes what it leaves. */
async function removeQuietly(snapshotter: Snapshotter, key: string): Promise<void> {
  await snapshotter.remove(key, { signal: new AbortController().signal }).catch(() => undefined);
}

/** `extract-<nanoseconds>-<4 characters> <chain ID>`, as every containerd client writes it. */
export function extractionKey(chainID: ChainID): string {
  const random = crypto.getRandomValues(new Uint8Array(3));
  const unique = btoa(String.fromCharCode(...random))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
  const nanos = Math.floor((performance.timeOrigin + performance.now()) * 1e6) % 1_000_000_000;
  return `extract-${nanos}-${unique} ${chainID}`;
}

function codeOf(error: unknown): ContainerdError["code"] {
  return error instanceof ContainerdError ? error.code : "unknown";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
