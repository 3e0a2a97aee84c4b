import { parseChildren } from "./children.ts";
import type { Cancel } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { parseImageConfig } from "./manifest.ts";
import { isIndexType, isManifestType } from "./media-type.ts";
import type { Platform } from "./platform.ts";

/** A document's bytes, or what reading it failed with. */
export type ReadDocument = Uint8Array | { readonly fault: unknown };

/** Reads many manifests, indexes and configs at once; the answer has every one that was asked for. */
export type DocumentReader = (
  digests: readonly Digest[],
  options: Cancel,
) => Promise<ReadonlyMap<Digest, ReadDocument>>;

/**
 * Documents of many images, each read once. Work on an image is an ordinary function: what it asks for is there, or is
 * read before the function is run again. So a thousand images take as many waits as they are levels deep.
 */
export class Documents {
  readonly #reader: DocumentReader;
  readonly #read = new Map<Digest, ReadDocument>();
  readonly #children = new Map<Digest, { readonly mediaType: string; readonly children: readonly Descriptor[] }>();
  readonly #wanted = new Set<Digest>();

  constructor(reader: DocumentReader) {
    this.#reader = reader;
  }

  /** The answers of `work` for every item, in order; it answers undefined while a document it asked for is not read. */
  async settle<T, R extends object>(
    items: readonly T[],
    work: (item: T) => R | undefined,
    options: Cancel,
  ): Promise<readonly R[]> {
    const answers = items.map(work);
    while (this.#wanted.size > 0) {
      const wanted = [...this.#wanted];
      this.#wanted.clear();
      for (const [digest, document] of await this.#reader(wanted, options)) this.#read.set(digest, document);
      for (let at = 0; at < answers.length; at++) answers[at] ??= work(items[at] as T);
    }
    // An answer is missing only while something is wanted.
    return answers.filter((answer) => answer !== undefined);
  }

  /** As `readChildren`; undefined when the document is not read yet. */
  childrenOf(descriptor: Descriptor): readonly Descriptor[] | undefined {
    const { digest, mediaType } = descriptor;
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return [];
    const known = this.#children.get(digest);
    if (known?.mediaType === mediaType) return known.children;
    const bytes = this.#bytes(digest);
    if (bytes === undefined) return undefined;
    const children = parseChildren(bytes, descriptor);
    this.#children.set(digest, { mediaType, children });
    return children;
  }

  /** The platform that a config names; undefined when it is not read yet. */
  platformOf({ digest }: Descriptor): Platform | undefined {
    const bytes = this.#bytes(digest);
    return bytes === undefined ? undefined : parseImageConfig(bytes).platform;
  }

  #bytes(digest: Digest): Uint8Array | undefined {
    const document = this.#read.get(digest);
    if (document === undefined) this.#wanted.add(digest);
    else if (!(document instanceof Uint8Array)) throw document.fault;
    return document;
  }
}
