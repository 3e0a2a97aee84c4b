import { ContainerdError } from "@ctr/api";
import { readBlob } from "../blob.ts";
import { filterPlatforms, sortByPlatform } from "../children.ts";
import type { Cancel, ContentManager, ContentProvider } from "../content.ts";
import type { Descriptor } from "../descriptor.ts";
import { descriptorToGoJson } from "../descriptor-json.ts";
import { type Digest, digestAlgorithm, digestHex, openDigester } from "../digest.ts";
import { familiarDockerName } from "../docker-reference.ts";
import { compareUtf8, encodeGoJson } from "../go-json.ts";
import { readChildren, walkGraph } from "../graph.ts";
import { parseIndex, parseManifest } from "../manifest.ts";
import { isIndexType, isManifestType, isNonDistributableType, mediaTypes } from "../media-type.ts";
import type { PlatformMatcher } from "../platform-match.ts";
import { IMAGE_NAME_ANNOTATION, REF_NAME_ANNOTATION, refNameOf } from "./names.ts";
import { type TarMember, writeTar } from "./tar-writer.ts";

/** What goes into an archive: a record's name and its target. */
export interface ExportImage {
  readonly name: string;
  readonly target: Descriptor;
}

export interface ExportOptions extends Cancel {
  readonly matcher: PlatformMatcher;
  /** All manifests of an index, whatever the matcher says; what is missing fails. */
  readonly allPlatforms?: boolean;
  /** No Docker `manifest.json`. */
  readonly skipDockerManifest?: boolean;
  readonly skipNonDistributable?: boolean;
  /** As 1.6 writes it: `index.json` without mediaType and without distribution.source annotations. */
  readonly plainIndex?: boolean;
}

type Store = ContentProvider & Pick<ContentManager, "info">;

/** What the walk collects. */
interface Plan {
  readonly members: Map<string, TarMember>;
  readonly algorithms: Set<string>;
  /** For `manifest.json`: the best manifest of each image and its names, in the order the images were given. */
  readonly docker: Map<Digest, { readonly manifest: Descriptor; readonly names: string[] }>;
}

/**
 * An OCI layout tar of images, with a Docker `manifest.json`: members sorted by name, no times, no owners, so equal
 * content gives equal bytes. Manifests are read before the first byte. Throws `not_found` where no platform matches.
 */
export async function* exportArchive(
  store: Store,
  images: readonly ExportImage[],
  options: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const plan: Plan = { members: new Map(), algorithms: new Set(), docker: new Map() };
  for (const image of images) await planImage(store, image, { plan, options });
  addDocument(plan, "oci-layout", { mode: 0o444, bytes: encodeGoJson({ imageLayoutVersion: "1.0.0" }) });
  addDocument(plan, "index.json", { mode: 0o644, bytes: await indexJson(store, images, options) });
  if (plan.docker.size > 0) {
    addDocument(plan, "manifest.json", { mode: 0o644, bytes: await dockerManifestJson(store, plan, options) });
  }
  addDirectories(plan);
  for (const name of plan.members.keys()) checkName(name);
  const members = [...plan.members.values()].toSorted((a, b) => compareUtf8(a.name, b.name));
  yield* writeTar(members);
}

/** Whoever unpacks an archive of ours may do so anywhere: no name leads out of it, whatever the store holds (R29). */
function checkName(name: string): void {
  if (/^[a-z0-9._-]+(\/[a-z0-9._-]+)*\/?$/.test(name) && !/(^|\/)\.{1,2}(\/|$)/.test(name)) return;
  throw new ContainerdError({
    code: "internal",
    what: "cannot export",
    where: { member: name },
    why: "its name is not clean",
  });
}

interface Planning {
  readonly plan: Plan;
  readonly options: ExportOptions;
}

async function planImage(store: Store, image: ExportImage, planning: Planning): Promise<void> {
  const { target } = image;
  if (isManifestType(target.mediaType)) {
    await planTree(store, target, planning);
    if (planning.options.skipDockerManifest !== true) nameForDocker(planning.plan, target, image.name);
    return;
  }
  if (!isIndexType(target.mediaType)) {
    throw new ContainerdError({
      code: "invalid_argument",
      what: "only manifests may be exported",
      why: "invalid argument",
    });
  }
  await planIndex(store, image, planning);
}

/** The index as a whole, but of its manifests only those that match. */
async function planIndex(store: Store, image: ExportImage, planning: Planning): Promise<void> {
  const { plan, options } = planning;
  addBlob(store, image.target, planning);
  const { manifests } = parseIndex(await readBlob(store, image.target.digest, options), image.target);
  const matching = filterPlatforms(manifests, options.matcher);
  for (const manifest of options.allPlatforms === true ? manifests : matching) {
    await planTree(store, manifest, planning);
  }
  if (options.skipDockerManifest === true) return;
  const best = sortByPlatform(matching, options.matcher)[0];
  if (best !== undefined) return nameForDocker(plan, best, image.name);
  throw new ContainerdError({
    code: "not_found",
    what: "no manifest found for platform",
    why: "not found",
    fix: "--platform names another platform, --all-platforms takes them all",
  });
}

function nameForDocker(plan: Plan, manifest: Descriptor, name: string): void {
  const entry = plan.docker.get(manifest.digest) ?? { manifest, names: [] };
  entry.names.push(name);
  plan.docker.set(manifest.digest, entry);
}

async function planTree(store: Store, root: Descriptor, planning: Planning): Promise<void> {
  await walkGraph(root, async (descriptor) => {
    addBlob(store, descriptor, planning);
    return readChildren(store, descriptor, planning.options);
  });
}

function addBlob(store: Store, descriptor: Descriptor, planning: Planning): void {
  const { plan, options } = planning;
  if (options.skipNonDistributable === true && isNonDistributableType(descriptor.mediaType)) return;
  const name = blobPath(descriptor.digest);
  plan.algorithms.add(digestAlgorithm(descriptor.digest));
  const open = () => verifiedBlob(store, descriptor, options);
  plan.members.set(name, { name, mode: 0o444, size: descriptor.size, open });
}

function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** A blob's bytes; a store that has gone bad must not go on in an archive. */
async function* verifiedBlob(
  store: Store,
  descriptor: Descriptor,
  options: Cancel,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using blob = await openBlob(store, descriptor, options);
  const digester = openDigester(digestAlgorithm(descriptor.digest));
  for await (const chunk of blob.stream({ offset: 0n, length: blob.size }, options)) {
    digester.update(chunk);
    yield chunk;
  }
  const digest = digester.digest();
  if (digest === descriptor.digest) return;
  throw new ContainerdError({
    code: "data_loss",
    what: `unexpected digest ${digest} copied`,
    why: `expected ${descriptor.digest}`,
  });
}

async function openBlob(store: Store, descriptor: Descriptor, options: Cancel) {
  try {
    return await store.readerAt(descriptor.digest, options);
  } catch (cause) {
    if (!(cause instanceof ContainerdError)) throw cause;
    throw new ContainerdError({ code: cause.code, what: "failed to get reader", why: cause.message, cause });
  }
}

function addDocument(plan: Plan, name: string, document: { readonly mode: number; readonly bytes: Uint8Array }): void {
  const open = async function* () {
    yield document.bytes;
  };
  plan.members.set(name, { name, mode: document.mode, size: BigInt(document.bytes.byteLength), open });
}

function addDirectories(plan: Plan): void {
  if (plan.algorithms.size === 0) return;
  for (const name of ["blobs/", ...[...plan.algorithms].map((algorithm) => `blobs/${algorithm}/`)]) {
    plan.members.set(name, { name, mode: 0o755, size: 0n });
  }
}

async function indexJson(store: Store, images: readonly ExportImage[], options: ExportOptions): Promise<Uint8Array> {
  const manifests: Descriptor[] = [];
  for (const { name, target } of images) {
    const sources = options.plainIndex === true ? {} : await sourceAnnotations(store, target, options);
    const names = { [IMAGE_NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: refNameOf(name) };
    manifests.push({ ...target, annotations: { ...target.annotations, ...sources, ...names } });
  }
  const mediaType = options.plainIndex === true ? undefined : mediaTypes.ociIndex;
  return encodeGoJson({ schemaVersion: 2, mediaType, manifests: manifests.map(descriptorToGoJson) });
}

/** Where the image was pulled from, so that an importer can mount instead of upload. */
async function sourceAnnotations(store: Store, target: Descriptor, options: Cancel): Promise<Record<string, string>> {
  const { labels } = await store.info(target.digest, options);
  const sources = Object.entries(labels).filter(([key]) => key.startsWith("containerd.io/distribution.source."));
  return Object.fromEntries(sources);
}

/** `docker load`'s own list; Go writes an empty list that was never made as null. */
async function dockerManifestJson(store: Store, plan: Plan, options: Cancel): Promise<Uint8Array> {
  const images = [];
  for (const { manifest: descriptor, names } of plan.docker.values()) {
    const manifest = parseManifest(await readBlob(store, descriptor.digest, options), descriptor);
    images.push({
      Config: blobPath(manifest.config.digest),
      RepoTags: names.length === 0 ? null : names.map(familiarDockerName),
      Layers: manifest.layers.length === 0 ? null : manifest.layers.map((layer) => blobPath(layer.digest)),
    });
  }
  return encodeGoJson(images);
}
