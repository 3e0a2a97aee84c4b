import { ContainerdError, hasCode } from "@ctr/api";
import { openWriter, readBlob, writeBlob } from "../blob.ts";
import type { Cancel, ContentStore } from "../content.ts";
import type { Descriptor } from "../descriptor.ts";
import { descriptorToGoJson } from "../descriptor-json.ts";
import { type Digest, digestOf, isDigest, openDigester } from "../digest.ts";
import { normalizeDockerName } from "../docker-reference.ts";
import { encodeGoJson, type GoJson } from "../go-json.ts";
import { isJsonObject, JsonReader } from "../json-reader.ts";
import { parseImageConfig } from "../manifest.ts";
import { mediaTypes } from "../media-type.ts";
import { compressGzip, detectCompression } from "./compression.ts";
import { IMAGE_NAME_ANNOTATION, REF_NAME_ANNOTATION, refNameOf } from "./names.ts";
import { type ArchiveContents, cleanName, type StoredMember } from "./read-archive.ts";

export interface DockerImportOptions extends Cancel {
  /** gzip layers that are plain tar. */
  readonly compress?: boolean;
}

const UNCOMPRESSED_LABEL = "containerd.io/uncompressed";

/** One image of a `manifest.json`. */
interface DockerImage {
  readonly config: string;
  readonly repoTags: readonly string[];
  readonly layers: readonly string[];
}

/** Writes a manifest for each image of a `docker save` archive and an index of them all, as containerd does. */
export async function importDockerArchive(
  store: ContentStore,
  contents: ArchiveContents,
  options: DockerImportOptions,
): Promise<Descriptor> {
  const members = withLinks(contents);
  const manifests: Descriptor[] = [];
  for (const image of parseDockerManifest(contents.dockerManifest ?? new Uint8Array())) {
    const manifest = await writeDockerManifest(store, { image, members }, options);
    manifests.push(...nameManifest(manifest, image.repoTags));
  }
  const index = { schemaVersion: 2, manifests: manifests.map(descriptorToGoJson) };
  return storeJson(store, { mediaType: mediaTypes.ociIndex, json: index }, options);
}

/** Older archives store a layer once and link to it. */
function withLinks(contents: ArchiveContents): ReadonlyMap<string, StoredMember> {
  const members = new Map(contents.members);
  for (const [name, target] of contents.links) {
    const member = contents.members.get(target);
    if (member === undefined) {
      throw badArchive(`no target for symlink layer from ${JSON.stringify(name)} to ${JSON.stringify(target)}`);
    }
    members.set(name, member);
  }
  return members;
}

function parseDockerManifest(bytes: Uint8Array): readonly DockerImage[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw badArchive("manifest.json is not JSON");
  }
  if (!Array.isArray(value)) throw badArchive("manifest.json is not a list");
  const images: readonly unknown[] = value;
  return images.map((image, index) => {
    if (!isJsonObject(image)) throw badArchive("manifest.json is not a list of objects");
    const json = new JsonReader(image, `manifest.json[${index}]`);
    return { config: json.string("Config"), repoTags: json.strings("RepoTags"), layers: json.strings("Layers") };
  });
}

async function writeDockerManifest(
  store: ContentStore,
  source: { readonly image: DockerImage; readonly members: ReadonlyMap<string, StoredMember> },
  options: DockerImportOptions,
): Promise<Descriptor> {
  const { image, members } = source;
  const config = members.get(cleanName(image.config));
  if (config === undefined) throw badArchive(`image config ${JSON.stringify(image.config)} not found`);
  const layers: Descriptor[] = [];
  const known = await compressedTwins(store, options);
  for (const name of image.layers) {
    const member = members.get(cleanName(name));
    if (member === undefined) throw badArchive(`layer ${JSON.stringify(name)} not found`);
    layers.push(await resolveLayer(store, { member, twin: known.get(member.digest) }, options));
  }
  const json = {
    schemaVersion: 2,
    mediaType: mediaTypes.dockerManifest,
    config: descriptorToGoJson({ mediaType: mediaTypes.dockerConfig, ...config }),
    layers: layers.map(descriptorToGoJson),
  };
  const manifest = await storeJson(store, { mediaType: mediaTypes.dockerManifest, json }, options);
  const { platform } = parseImageConfig(await readBlob(store, config.digest, options));
  return { ...manifest, platform };
}

/** Blobs that are known to unpack to another digest, by that digest: a pulled layer is as good as the saved one. */
async function compressedTwins(store: ContentStore, options: Cancel): Promise<ReadonlyMap<Digest, StoredMember>> {
  const twins = new Map<Digest, StoredMember>();
  for await (const info of store.walk([`labels."${UNCOMPRESSED_LABEL}"`], options)) {
    const diffID = info.labels[UNCOMPRESSED_LABEL] ?? "";
    if (isDigest(diffID)) twins.set(diffID, { digest: info.digest, size: info.size });
  }
  return twins;
}

async function resolveLayer(
  store: ContentStore,
  layer: { readonly member: StoredMember; readonly twin: StoredMember | undefined },
  options: DockerImportOptions,
): Promise<Descriptor> {
  const chosen = layer.twin ?? layer.member;
  if (await isCompressed(store, chosen.digest, options)) return { mediaType: mediaTypes.dockerLayerGzip, ...chosen };
  if (options.compress !== true || layer.twin !== undefined) return { mediaType: mediaTypes.dockerLayer, ...chosen };
  return { mediaType: mediaTypes.dockerLayerGzip, ...(await compressLayer(store, chosen.digest, options)) };
}

async function isCompressed(store: ContentStore, digest: Digest, options: Cancel): Promise<boolean> {
  await using blob = await store.readerAt(digest, options);
  if (blob.size < 4n) return false;
  for await (const start of blob.stream({ offset: 0n, length: 4n }, options)) {
    return detectCompression(start) !== "none";
  }
  return false;
}

async function compressLayer(store: ContentStore, digest: Digest, options: Cancel): Promise<StoredMember> {
  const { signal } = options;
  const ref = `compress-blob-${digest.replace(":", "-")}`;
  await using blob = await store.readerAt(digest, options);
  await using writer = await openWriter(store, ref, { signal });
  if (writer.offset > 0n) await writer.truncate(0n, { signal });
  const digester = openDigester();
  let size = 0n;
  for await (const chunk of compressGzip(blob.stream({ offset: 0n, length: blob.size }, options))) {
    digester.update(chunk);
    size += BigInt(chunk.byteLength);
    await writer.write(chunk, { signal });
  }
  const compressed = digester.digest();
  try {
    await writer.commit({ size, expected: compressed, labels: { [UNCOMPRESSED_LABEL]: digest } }, { signal });
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
  return { digest: compressed, size };
}

/** One descriptor for each tag, with its full name; one without a name where there is no tag. */
function nameManifest(manifest: Descriptor, tags: readonly string[]): readonly Descriptor[] {
  if (tags.length === 0) return [manifest];
  return tags.map((tag) => {
    const name = normalizeDockerName(tag);
    return { ...manifest, annotations: { [IMAGE_NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: refNameOf(name) } };
  });
}

async function storeJson(
  store: ContentStore,
  document: { readonly mediaType: string; readonly json: GoJson },
  options: Cancel,
): Promise<Descriptor> {
  const bytes = encodeGoJson(document.json);
  const descriptor = { mediaType: document.mediaType, digest: digestOf(bytes), size: BigInt(bytes.byteLength) };
  await writeBlob(store, { ref: `manifest-${descriptor.digest}`, descriptor, bytes }, { signal: options.signal });
  return descriptor;
}

function badArchive(why: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: "cannot import archive", why });
}
