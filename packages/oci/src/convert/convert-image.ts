import { readBlob, writeBlob } from "../blob.ts";
import type { Cancel, ContentStore, Labels } from "../content.ts";
import type { Descriptor } from "../descriptor.ts";
import { descriptorToGoJson } from "../descriptor-json.ts";
import { type Digest, digestOf } from "../digest.ts";
import { encodeGoJson, type GoJson, goMap } from "../go-json.ts";
import { parseJsonObject } from "../json-reader.ts";
import { type Manifest, parseImageConfig, parseIndex, parseManifest } from "../manifest.ts";
import { isIndexType, isLayerType, isManifestType } from "../media-type.ts";
import { normalizePlatform } from "../platform.ts";
import type { PlatformMatcher } from "../platform-match.ts";
import { isDockerType, ociMediaType } from "./media-types.ts";
import { withDiffIDs } from "./new-config.ts";

/** A layer in another form; `undefined` leaves it as it is. A tar that changed has another diff ID. */
export type ConvertLayer = (
  layer: Descriptor,
  options: Cancel & { readonly diffID: Digest | undefined },
) => Promise<{ readonly layer: Descriptor; readonly diffID?: Digest } | undefined>;

export interface ConvertOptions extends Cancel {
  /** Which manifests of an index stay. */
  readonly matcher: PlatformMatcher;
  readonly convertLayer?: ConvertLayer;
  /** Docker's media types become those of image-spec. */
  readonly toOci?: boolean;
  /** What a machine must be able to do with what comes of it; told in configs and by the platforms of an index. */
  readonly osFeature?: string;
}

interface Job {
  readonly store: ContentStore;
  readonly options: ConvertOptions;
}

/**
 * Stores an image in another form next to the old one; `undefined` where nothing changes. Documents are written as
 * containerd's converter writes them, so both come to the same digests.
 */
export async function convertImage(
  store: ContentStore,
  target: Descriptor,
  options: ConvertOptions,
): Promise<Descriptor | undefined> {
  return convert({ store, options }, target);
}

async function convert(job: Job, old: Descriptor): Promise<Descriptor | undefined> {
  const made = await convertDocument(job, old);
  return renamed(job, old, made);
}

async function convertDocument(job: Job, old: Descriptor): Promise<Descriptor | undefined> {
  if (isManifestType(old.mediaType)) return convertManifest(job, old);
  if (isIndexType(old.mediaType)) return convertIndex(job, old);
  return undefined;
}

/** Docker's formats know no annotations; in OCI's they may stay. */
function renamed({ options }: Job, old: Descriptor, made: Descriptor | undefined): Descriptor | undefined {
  if (!isDockerType(old.mediaType)) return made;
  const now = made ?? old;
  if (options.toOci) return { ...now, mediaType: ociMediaType(now.mediaType) };
  if (now.annotations === undefined || Object.keys(now.annotations).length === 0) return made;
  const { annotations: _annotations, ...rest } = now;
  return rest;
}

async function convertManifest(job: Job, old: Descriptor): Promise<Descriptor | undefined> {
  const { store, options } = job;
  const bytes = await readBlob(store, old.digest, options);
  const manifest = parseManifest(bytes, old);
  const labels = new GcLabels((await store.info(old.digest, options)).labels);
  const diffIDs = await diffIDsOf(job, manifest);
  const layers = await Promise.all(manifest.layers.map(async (layer, at) => convertOneLayer(job, layer, diffIDs[at])));
  for (const [at, { now, was }] of layers.entries()) if (now !== was) labels.replace(was.digest, `l.${at}`, now.digest);
  const config = await convertConfig(job, manifest, layers);
  if (config !== manifest.config) labels.replace(manifest.config.digest, "config", config.digest);
  const mediaType = options.toOci ? ociMediaType(manifest.mediaType) : manifest.mediaType;
  const changed =
    mediaType !== manifest.mediaType || config !== manifest.config || layers.some(({ now, was }) => now !== was);
  if (!changed) return undefined;
  const document = { ...heads(bytes, mediaType), config: descriptorToGoJson(config) };
  const platform = await featuredPlatform(job, manifest, old);
  const tail = {
    layers: layers.map(({ now }) => descriptorToGoJson(now)),
    subject: manifest.subject === undefined ? undefined : descriptorToGoJson(manifest.subject),
    annotations: goMap(manifest.annotations),
  };
  const made = await writeDocument(job, { ...document, ...tail }, { old, labels: labels.labels });
  return platform === undefined ? made : { ...made, platform };
}

/** The platform that an index is to name, where it is another. */
async function featuredPlatform({ store, options }: Job, { config }: Manifest, old: Descriptor) {
  if (options.osFeature === undefined) return undefined;
  const platform = old.platform ?? parseImageConfig(await readBlob(store, config.digest, options)).platform;
  const normal = normalizePlatform(platform);
  return { ...normal, osFeatures: withFeature(normal.osFeatures, options.osFeature) };
}

function withFeature(features: readonly string[] = [], feature: string): readonly string[] {
  return [...new Set([...features, feature])].sort();
}

interface ConvertedLayer {
  readonly was: Descriptor;
  readonly now: Descriptor;
  /** Undefined where it is what it was. */
  readonly diffID: Digest | undefined;
}

async function convertOneLayer(job: Job, was: Descriptor, diffID: Digest | undefined): Promise<ConvertedLayer> {
  const { signal, convertLayer } = job.options;
  const made = isLayerType(was.mediaType) ? await convertLayer?.(was, { signal, diffID }) : undefined;
  const now = renamed(job, was, made?.layer) ?? was;
  return { was, now, diffID: made?.diffID === diffID ? undefined : made?.diffID };
}

async function diffIDsOf({ store, options }: Job, { config }: Manifest): Promise<readonly Digest[]> {
  // Only who changes layers needs them, and a config may be of a kind that has none.
  if (options.convertLayer === undefined) return [];
  return parseImageConfig(await readBlob(store, config.digest, options)).diffIDs;
}

async function convertConfig(job: Job, { config }: Manifest, layers: readonly ConvertedLayer[]): Promise<Descriptor> {
  const { store, options } = job;
  const { osFeature } = options;
  let made: Descriptor | undefined;
  if (osFeature !== undefined || layers.some(({ diffID }) => diffID !== undefined)) {
    const bytes = await readBlob(store, config.digest, options);
    const { labels } = await store.info(config.digest, options);
    const features = osFeature && withFeature(parseImageConfig(bytes).platform.osFeatures, osFeature);
    const diffIDs = layers.map(({ diffID }) => diffID);
    const value = withDiffIDs(bytes, diffIDs, features ? { "os.features": features } : {});
    made = await writeDocument(job, value, { old: config, labels });
  }
  return renamed(job, config, made) ?? config;
}

async function convertIndex(job: Job, old: Descriptor): Promise<Descriptor | undefined> {
  const { store, options } = job;
  const bytes = await readBlob(store, old.digest, options);
  const index = parseIndex(bytes, old);
  const labels = new GcLabels((await store.info(old.digest, options)).labels);
  const wanted = index.manifests.map(({ platform }) => platform === undefined || options.matcher.matches(platform));
  const made = await Promise.all(index.manifests.map((each, at) => (wanted[at] ? convert(job, each) : undefined)));
  for (const [at, manifest] of index.manifests.entries()) {
    if (!wanted[at]) labels.drop(manifest.digest);
    else if (made[at] !== undefined) labels.replace(manifest.digest, `m.${at}`, made[at].digest);
  }
  const mediaType = options.toOci ? ociMediaType(index.mediaType) : index.mediaType;
  if (mediaType === index.mediaType && wanted.every(Boolean) && made.every((each) => each === undefined)) {
    return undefined;
  }
  const manifests = index.manifests.map((each, at) => made[at] ?? each).filter((_, at) => wanted[at]);
  const document = {
    ...heads(bytes, mediaType),
    // Go writes a list that was never filled as null.
    manifests: manifests.length === 0 ? null : manifests.map(descriptorToGoJson),
    annotations: goMap(index.annotations),
  };
  return writeDocument(job, document, { old, labels: labels.labels });
}

/** The members that a document of either kind begins with. */
function heads(bytes: Uint8Array, mediaType: string): { readonly [key: string]: GoJson | undefined } {
  const { schemaVersion, artifactType } = parseJsonObject(bytes, "document");
  return {
    schemaVersion: typeof schemaVersion === "number" ? schemaVersion : 0,
    mediaType: mediaType === "" ? undefined : mediaType,
    artifactType: typeof artifactType === "string" && artifactType !== "" ? artifactType : undefined,
  };
}

async function writeDocument(
  { store, options }: Job,
  value: GoJson,
  { old, labels }: { readonly old: Descriptor; readonly labels: Labels },
): Promise<Descriptor> {
  const bytes = encodeGoJson(value);
  const digest = digestOf(bytes);
  const descriptor = { ...old, digest, size: BigInt(bytes.byteLength) };
  await writeBlob(
    store,
    { ref: `converter-write-json-${digest}`, descriptor, bytes },
    { signal: options.signal, labels },
  );
  return descriptor;
}

/** Labels of a document, of which those that keep its children from collection follow what they become. */
class GcLabels {
  #labels: Labels;

  constructor(labels: Labels) {
    this.#labels = labels;
  }

  get labels(): Labels {
    return this.#labels;
  }

  drop(digest: Digest): void {
    const kept = Object.entries(this.#labels).filter(
      ([key, value]) => value !== digest || !key.startsWith("containerd.io/gc.ref.content"),
    );
    this.#labels = Object.fromEntries(kept);
  }

  replace(old: Digest, key: string, digest: Digest): void {
    this.drop(old);
    this.#labels = { ...this.#labels, [`containerd.io/gc.ref.content.${key}`]: digest };
  }
}
