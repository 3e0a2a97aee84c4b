import { ContainerdError } from "@ctr/api";
import { readBlob } from "../blob.ts";
import { filterPlatforms } from "../children.ts";
import type { Cancel, ContentStore } from "../content.ts";
import type { Descriptor } from "../descriptor.ts";
import { type ChildLabel, setGcReferences } from "../gc-labels.ts";
import { readChildren, walkGraph } from "../graph.ts";
import { isPresent } from "../image-graph.ts";
import { JsonReader, parseJsonObject } from "../json-reader.ts";
import { parseIndex } from "../manifest.ts";
import { mediaTypes } from "../media-type.ts";
import type { PlatformMatcher } from "../platform-match.ts";
import { type DockerImportOptions, importDockerArchive } from "./import-docker.ts";
import { type ImportNaming, importNames } from "./names.ts";
import { readArchive } from "./read-archive.ts";

/** An image record to be made. */
export interface ImportedImage {
  readonly name: string;
  readonly target: Descriptor;
}

export interface ImportOptions extends DockerImportOptions {
  readonly naming: ImportNaming;
  /** A name for the index as a whole. */
  readonly indexName?: string;
  /** Which manifests are labelled and have to be there. */
  readonly matcher: PlatformMatcher;
  readonly childLabel?: ChildLabel;
}

export interface Imported {
  readonly index: Descriptor;
  /** In the order of the index; the index's own name first. */
  readonly images: readonly ImportedImage[];
}

/**
 * Stores an image archive (OCI layout, which is preferred, or `docker save`) and says which image records it asks for.
 * The caller holds the lease and makes the records. Throws `invalid_argument` (`unrecognized image format`).
 */
export async function importArchive(
  store: ContentStore,
  archive: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<Imported> {
  const index = await importIndex(store, archive, options);
  const { manifests } = parseIndex(await readBlob(store, index.digest, options), index);
  await labelGraph(store, index, options);
  const named = manifests.flatMap((target) => importNames(target, options.naming).map((name) => ({ name, target })));
  const { indexName } = options;
  return { index, images: indexName === undefined ? named : [{ name: indexName, target: index }, ...named] };
}

/** Stores the archive; the descriptor is of its index, which for a `docker save` archive is made here. */
export async function importIndex(
  store: ContentStore,
  archive: AsyncIterable<Uint8Array>,
  options: DockerImportOptions,
): Promise<Descriptor> {
  const contents = await readArchive(store, archive, options);
  if (contents.layout !== undefined) {
    checkLayout(contents.layout);
    const index = contents.members.get("index.json");
    if (index === undefined) throw unrecognized("missing index.json in OCI layout 1.0.0");
    return { mediaType: mediaTypes.ociIndex, ...index };
  }
  if (contents.dockerManifest === undefined) throw unrecognized("unrecognized image format");
  return importDockerArchive(store, contents, options);
}

function checkLayout(bytes: Uint8Array): void {
  const version = new JsonReader(parseJsonObject(bytes, "oci-layout"), "oci-layout").string("imageLayoutVersion");
  if (version !== "1.0.0") throw unrecognized(`unsupported OCI version ${version}`);
}

/** Keeps from GC what the index leads to, as far as the platforms match; something has to. */
async function labelGraph(store: ContentStore, index: Descriptor, options: ImportOptions & Cancel): Promise<void> {
  let found = false;
  await walkGraph(index, async (parent) => {
    const all = await readChildren(store, parent, options);
    const children = await leaveOutMissing(store, filterPlatforms(all, options.matcher), options);
    const labelOf = options.childLabel === undefined ? {} : { labelOf: options.childLabel };
    await setGcReferences(store, { parent, children, ...labelOf }, { signal: options.signal });
    found ||= children.length > 0;
    return children;
  });
  if (!found) {
    const fix = "--all-platforms imports what this machine cannot run";
    throw new ContainerdError({ code: "not_found", what: "image might be filtered out", fix });
  }
}

/**
 * An archive made for one platform carries an index that names others: what this machine could run as well, but not as
 * well as what is there (386 beside amd64), may be missing.
 */
async function leaveOutMissing(
  store: ContentStore,
  children: readonly Descriptor[],
  options: ImportOptions & Cancel,
): Promise<readonly Descriptor[]> {
  const manifests = children.filter(({ platform }) => platform !== undefined);
  if (manifests.length < 2) return children;
  const here = new Set<Descriptor>();
  for (const child of manifests) if (await isPresent(store, child.digest, options)) here.add(child);
  const isBeaten = ({ platform }: Descriptor) =>
    [...here].some((other) => platform && other.platform && options.matcher.compare(other.platform, platform) < 0);
  return children.filter((child) => child.platform === undefined || here.has(child) || !isBeaten(child));
}

function unrecognized(what: string): ContainerdError {
  const fix = "give a tar made by `ctr images export`, `docker save` or `skopeo copy … oci-archive:`";
  return new ContainerdError({ code: "invalid_argument", what, fix });
}
