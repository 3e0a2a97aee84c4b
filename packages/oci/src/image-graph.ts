import { ContainerdError, hasCode } from "@ctr/api";
import { readBlob } from "./blob.ts";
import { filterPlatforms, noMatch, sortByPlatform } from "./children.ts";
import type { Cancel, ContentManager, ContentProvider } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { Documents, type ReadDocument } from "./documents.ts";
import { type ImageSize, platformsIn, sizeIn } from "./image-facts.ts";
import { type ImageConfig, type Manifest, parseImageConfig, parseIndex, parseManifest } from "./manifest.ts";
import { isIndexType, isManifestType } from "./media-type.ts";
import type { Platform } from "./platform.ts";
import type { PlatformMatcher } from "./platform-match.ts";

export interface PlatformOptions extends Cancel {
  readonly matcher: PlatformMatcher;
}

/** A manifest and the descriptor that led to it. */
export interface FoundManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

/**
 * The manifest of an image that fits best. A target that is a manifest is taken whatever its platform; a child without
 * a platform is judged by its config. Throws `not_found`.
 */
export async function findManifest(
  provider: ContentProvider,
  target: Descriptor,
  options: PlatformOptions,
): Promise<FoundManifest> {
  if (isManifestType(target.mediaType)) return readManifest(provider, target, options);
  if (!isIndexType(target.mediaType)) {
    const what = `unexpected media type ${target.mediaType} for ${target.digest}`;
    throw new ContainerdError({ code: "not_found", what, why: "not found" });
  }
  const index = parseIndex(await readBlob(provider, target.digest, options), target);
  const fitting = sortByPlatform(filterPlatforms(index.manifests, options.matcher), options.matcher);
  const best = fitting[0];
  if (best === undefined) throw noMatch(target);
  if (isIndexType(best.mediaType)) return findManifest(provider, best, options);
  const found = await readManifest(provider, best, options);
  if (best.platform === undefined && !(await configFits(provider, found.manifest, options))) throw noMatch(target);
  return found;
}

async function readManifest(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: Cancel,
): Promise<FoundManifest> {
  return { descriptor, manifest: parseManifest(await readBlob(provider, descriptor.digest, options), descriptor) };
}

async function configFits(provider: ContentProvider, manifest: Manifest, options: PlatformOptions): Promise<boolean> {
  const config = parseImageConfig(await readBlob(provider, manifest.config.digest, options));
  return options.matcher.matches(config.platform);
}

/** The configuration of the manifest that fits best, with its descriptor. Throws `not_found`. */
export async function findConfig(
  provider: ContentProvider,
  target: Descriptor,
  options: PlatformOptions,
): Promise<{ readonly descriptor: Descriptor; readonly config: ImageConfig }> {
  const { manifest } = await findManifest(provider, target, options);
  const bytes = await readBlob(provider, manifest.config.digest, options);
  return { descriptor: manifest.config, config: parseImageConfig(bytes) };
}

/** The diff IDs of the manifest that fits best, base first. */
export async function readDiffIDs(
  provider: ContentProvider,
  target: Descriptor,
  options: PlatformOptions,
): Promise<readonly Digest[]> {
  return (await findConfig(provider, target, options)).config.diffIDs;
}

/** Bytes of index, best manifest, its config and layers, as their descriptors give them. */
export async function imageSize(
  provider: ContentProvider,
  target: Descriptor,
  options: PlatformOptions,
): Promise<ImageSize> {
  return settleOne(provider, (documents) => sizeIn(documents, target, options.matcher), options);
}

/** The platforms an image names, in the order of the index; a manifest without one is asked for its config's. */
export async function readPlatforms(
  provider: ContentProvider,
  target: Descriptor,
  options: Cancel,
): Promise<readonly Platform[]> {
  return settleOne(provider, (documents) => platformsIn(documents, target), options);
}

/** Runs work on one image whose documents are read one by one. */
async function settleOne<R extends object>(
  provider: ContentProvider,
  work: (documents: Documents) => R | undefined,
  options: Cancel,
): Promise<R> {
  const read = async (digest: Digest): Promise<readonly [Digest, ReadDocument]> => {
    return [digest, await readBlob(provider, digest, options).catch((fault: unknown) => ({ fault }))];
  };
  const documents = new Documents(async (digests) => new Map(await Promise.all(digests.map(read))));
  const [answer] = await documents.settle([documents], work, options);
  if (answer !== undefined) return answer;
  throw new ContainerdError({ code: "internal", what: "a walk of an image gave no answer" });
}

/**
 * The platforms whose manifest and config are in the store, as `images ls` lists them; a part that is missing counts
 * as not there.
 */
export async function presentPlatforms(
  provider: ContentProvider,
  target: Descriptor,
  options: Cancel,
): Promise<readonly Platform[]> {
  const platforms: Platform[] = [];
  for (const descriptor of await manifestsOf(provider, target, options)) {
    try {
      const { manifest } = await readManifest(provider, descriptor, options);
      const config = await readBlob(provider, manifest.config.digest, options);
      platforms.push(descriptor.platform ?? parseImageConfig(config).platform);
    } catch (error) {
      if (!hasCode(error, "not_found")) throw error;
    }
  }
  return platforms;
}

async function manifestsOf(
  provider: ContentProvider,
  target: Descriptor,
  options: Cancel,
): Promise<readonly Descriptor[]> {
  if (!isIndexType(target.mediaType)) return [target];
  const { manifests } = parseIndex(await readBlob(provider, target.digest, options), target);
  return manifests.filter((manifest) => isManifestType(manifest.mediaType));
}

/** What an image needs, and what of it is there. `known` is false when the manifest itself is missing. */
export interface ImageCheck {
  readonly known: boolean;
  /** Config and layers of the best manifest; the target alone when `known` is false. */
  readonly required: readonly Descriptor[];
  readonly present: readonly Descriptor[];
  readonly missing: readonly Descriptor[];
}

/** Compares what the best manifest needs with what the store has. */
export async function checkImage(
  store: ContentProvider & Pick<ContentManager, "info">,
  target: Descriptor,
  options: PlatformOptions,
): Promise<ImageCheck> {
  const required = await requiredBlobs(store, target, options);
  if (required === undefined) return { known: false, required: [target], present: [], missing: [target] };
  const present: Descriptor[] = [];
  const missing: Descriptor[] = [];
  for (const descriptor of required) {
    const here = await isPresent(store, descriptor.digest, options);
    (here ? present : missing).push(descriptor);
  }
  return { known: true, required, present, missing };
}

async function requiredBlobs(
  provider: ContentProvider,
  target: Descriptor,
  options: PlatformOptions,
): Promise<readonly Descriptor[] | undefined> {
  try {
    const { manifest } = await findManifest(provider, target, options);
    return [manifest.config, ...manifest.layers];
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
}

/** Whether the namespace has the blob. */
export async function isPresent(
  store: Pick<ContentManager, "info">,
  digest: Digest,
  options: Cancel,
): Promise<boolean> {
  try {
    await store.info(digest, options);
    return true;
  } catch (error) {
    if (hasCode(error, "not_found")) return false;
    throw error;
  }
}
