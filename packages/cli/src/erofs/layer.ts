import type { Client } from "@ctr/client";
import {
  type Cancel,
  type ChainID,
  type ContentStore,
  chainIDs,
  type Descriptor,
  type Digest,
  decompress,
  filterPlatforms,
  findConfig,
  isIndexType,
  isLayerType,
  isNonDistributableType,
  mediaTypes,
  openDigester,
  type PlatformMatcher,
  parseIndex,
  readBlob,
  sortByPlatform,
} from "@ctr/oci";
import { fail } from "../errors.ts";
import { type Mkfs, type MkfsSettings, urlUuid } from "./mkfs.ts";

/** Whether a layer can become an EROFS image: those that are one already, or may not be kept, stay. */
export function becomesErofs({ mediaType }: Descriptor): boolean {
  const already = mediaType.split("+")[0] === mediaTypes.erofsLayer;
  return isLayerType(mediaType) && !already && !isNonDistributableType(mediaType);
}

export interface LayerSources {
  readonly mkfs: Mkfs;
  readonly content: ContentStore;
  /** The directory that a layer was unpacked to; asked for only where `mkfs` takes no tar. */
  treeOf(diffID: Digest): Promise<{ readonly dir: string } & AsyncDisposable>;
}

/** Writes a layer as an EROFS image to `file`, under a UUID that depends on its diff ID alone, as containerd does. */
export async function writeErofs(
  { mkfs, content, treeOf }: LayerSources,
  { layer, diffID, file }: { readonly layer: Descriptor; readonly diffID: Digest; readonly file: string },
  settings: MkfsSettings & Cancel,
): Promise<void> {
  const uuid = urlUuid(`erofs:blobs/${diffID}`);
  if (!mkfs.takesTar) {
    await using tree = await treeOf(diffID);
    await mkfs.make({ kind: "tree", dir: tree.dir }, file, { ...settings, uuid });
    return;
  }
  await using blob = await content.readerAt(layer.digest, settings);
  const tar = checked(decompress(blob.stream({ offset: 0n, length: blob.size }, settings)), diffID);
  await mkfs.make({ kind: "tar", tar }, file, { ...settings, uuid });
}

/** The same bytes; fails at their end when they are not what the image's configuration says. */
async function* checked(chunks: AsyncIterable<Uint8Array>, diffID: Digest): AsyncIterable<Uint8Array> {
  const digester = openDigester();
  for await (const chunk of chunks) {
    digester.update(chunk);
    yield chunk;
  }
  const found = digester.digest();
  if (found !== diffID) throw fail(`cannot convert layer: its diff ID is ${found}, the image says ${diffID}`);
}

/** Where a snapshot keeps its top layer, for programs that read no tar. */
export class UnpackedLayers {
  readonly #client: Client;
  readonly #target: Descriptor;
  readonly #matcher: PlatformMatcher;
  readonly #unpacking = new Map<Digest, Promise<unknown>>();

  constructor(client: Client, target: Descriptor, matcher: PlatformMatcher) {
    this.#client = client;
    this.#target = target;
    this.#matcher = matcher;
  }

  /** Unpacks the manifest that has the layer where it is not. The lease of the client keeps what that makes. */
  async treeOf(diffID: Digest, options: Cancel): Promise<{ readonly dir: string } & AsyncDisposable> {
    const chain = await this.#unpack(diffID, options);
    const snapshots = this.#client.snapshots("overlayfs");
    const key = `erofs-${process.pid}-${crypto.randomUUID()}`;
    const mounts = await snapshots.view(key, chain, options);
    const dispose = () => snapshots.remove(key);
    const dir = topDirectory(mounts[0]);
    if (dir !== undefined) return { dir, [Symbol.asyncDispose]: dispose };
    await dispose();
    throw fail(
      "this mkfs.erofs reads no tars, and the daemon keeps layers where they cannot be read",
      "install erofs-utils 1.7 or later, or run this as root on the daemon's machine",
    );
  }

  async #unpack(diffID: Digest, options: Cancel): Promise<ChainID> {
    const settings = { ...options, matcher: this.#matcher, snapshotter: "overlayfs" };
    for (const manifest of await this.#manifests(options)) {
      const { config } = await findConfig(this.#client.content, manifest, settings);
      const chain = chainIDs(config.diffIDs)[config.diffIDs.indexOf(diffID)];
      if (chain === undefined) continue;
      // Layers are converted at the same time; one of them unpacks for all.
      const unpacking = this.#unpacking.get(manifest.digest) ?? this.#client.images.unpack(manifest, settings);
      this.#unpacking.set(manifest.digest, unpacking);
      await unpacking;
      return chain;
    }
    throw fail(`layer ${diffID} is not among the image's`);
  }

  async #manifests(options: Cancel): Promise<readonly Descriptor[]> {
    const target = this.#target;
    if (!isIndexType(target.mediaType)) return [target];
    const { manifests } = parseIndex(await readBlob(this.#client.content, target.digest, options), target);
    // The best first: what is matched besides may not be here.
    return sortByPlatform(filterPlatforms(manifests, this.#matcher), this.#matcher);
  }
}

/** The uppermost of the directories that a read-only mount shows, where it can be read from here. */
function topDirectory(mount: { readonly source: string; readonly options: readonly string[] } | undefined) {
  const lower = mount?.options.find((option) => option.startsWith("lowerdir="))?.slice("lowerdir=".length);
  const dir = lower?.split(":")[0] ?? mount?.source ?? "";
  const { accessSync, constants } = process.getBuiltinModule("node:fs");
  try {
    accessSync(dir, constants.R_OK);
    return process.geteuid?.() === 0 ? dir : undefined;
  } catch {
    return undefined;
  }
}
