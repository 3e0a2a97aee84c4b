import {
  type ContentProvider,
  type Descriptor,
  type Digest,
  filterPlatforms,
  type ImageLayer,
  isEncryptedType,
  isIndexType,
  isManifestType,
  type PlatformMatcher,
  pairLayers,
  parseImageConfig,
  parseManifest,
  readBlob,
  sortByPlatform,
  type UnpackOptions,
} from "@ctr/oci";
import { isPrivileged } from "../diff/mounted.ts";
import { mappedOwner } from "../snapshots/mapped-owner.ts";
import { type LayersTarget, unpackApart, unpackInOrder } from "./pipeline-layers.ts";

/**
 * The unpacking of an image whose manifests become known while it is fetched. It does what can be done early: whatever
 * it leaves alone, as an image that is not in order, is left to `unpackImage`.
 */
export class EarlyUnpacking {
  readonly #target: LayersTarget;
  readonly #options: UnpackOptions;
  /** Children of the indexes seen so far; what is not among them is the image itself. */
  readonly #indexed = new Set<Digest>();
  readonly #chosen = new Set<Digest>();
  readonly #begun: Promise<void>[] = [];
  readonly #applied = new Set<string>();

  constructor(target: LayersTarget, options: UnpackOptions) {
    this.#target = target;
    this.#options = {
      ...options,
      onLayer: (event) => {
        if (event.kind === "extracted") this.#applied.add(event.chainID);
        options.onLayer?.(event);
      },
    };
  }

  /** For `fetchImage`: what is stored, and what of it is coming. `onFailure` is told at once of what goes wrong. */
  async onDocument(
    document: Descriptor,
    children: readonly Descriptor[],
    onFailure: (error: unknown) => void,
  ): Promise<void> {
    if (this.#indexed.has(document.digest) && !this.#chosen.has(document.digest)) return;
    if (isIndexType(document.mediaType)) this.#choose(children, this.#options.matcher);
    if (!isManifestType(document.mediaType)) return;
    const layers = await readLayers(this.#target.content, document, this.#options.signal);
    if (layers === undefined || !layers.every(({ blob }) => children.some(({ digest }) => digest === blob.digest)))
      return;
    const unpacking = this.#unpack(layers);
    unpacking.catch(onFailure);
    this.#begun.push(unpacking);
  }

  /** Waits for all that was begun; throws the first failure when everything has ended. */
  async finish(): Promise<void> {
    const results = await Promise.allSettled(this.#begun);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Whether it was a layer of this unpacking's, of which all is told. */
  hasApplied(chainID: string): boolean {
    return this.#applied.has(chainID);
  }

  /** As `findManifest` does, but for one that only its config can tell the platform of. */
  #choose(children: readonly Descriptor[], matcher: PlatformMatcher): void {
    for (const { digest } of children) this.#indexed.add(digest);
    const best = sortByPlatform(filterPlatforms(children, matcher), matcher)[0];
    if (best === undefined || (best.platform === undefined && !isIndexType(best.mediaType))) return;
    this.#chosen.add(best.digest);
  }

  #unpack(layers: readonly ImageLayer[]): Promise<void> {
    const { snapshotLabels = {} } = this.#options;
    const { places } = this.#target;
    const apart = places?.driver.name === "overlayfs" && isPrivileged() && mappedOwner(snapshotLabels) === undefined;
    return apart
      ? unpackApart({ ...this.#target, places }, layers, this.#options)
      : unpackInOrder(this.#target, layers, this.#options);
  }
}

/** The layers of a manifest in the store; `undefined` when there is something wrong with them. */
async function readLayers(
  content: ContentProvider,
  document: Descriptor,
  signal: AbortSignal,
): Promise<readonly ImageLayer[] | undefined> {
  try {
    const manifest = parseManifest(await readBlob(content, document.digest, { signal }), document);
    const config = parseImageConfig(await readBlob(content, manifest.config.digest, { signal }));
    const layers = pairLayers(manifest.layers, config);
    return layers.some(({ blob }) => isEncryptedType(blob.mediaType)) ? undefined : layers;
  } catch {
    signal.throwIfAborted();
    // `unpackImage` meets the same, and tells of it once everything is fetched.
    return undefined;
  }
}
