import {
  type Descriptor,
  type Differ,
  type Digest,
  isIndexType,
  isManifestType,
  type Unpacked,
  type UnpackOptions,
  type UnpackTarget,
  unpackImage,
} from "@ctr/oci";
import type { FetchImageOptions, TransferEvent } from "@ctr/registry";
import { createDeferred, type Deferred } from "@ctr/rpc";
import { withGrace } from "./grace.ts";

/** What a fetch tells of itself. */
export type FetchEvents = Required<Pick<FetchImageOptions, "onDocument" | "onProgress">>;

/**
 * Unpacks an image's layers while later ones are fetched. A head start, no more: whoever unpacks the image afterwards
 * finds done what was done, and meets again, and tells, what failed here. Disposing ends it; a lease has to hold what it
 * makes until then.
 */
export class UnpackAhead implements AsyncDisposable {
  /** To be told what the fetch tells. */
  readonly events: FetchEvents = {
    onDocument: async (document, children) => this.#onDocument(document, children),
    onProgress: (event) => this.#onProgress(event),
  };
  readonly #target: UnpackTarget;
  readonly #options: UnpackOptions;
  readonly #over = new AbortController();
  /** Fails when it is given up; one for all layers, as each listener more on a signal is one that Node may warn of. */
  readonly #givenUp: Promise<never>;
  readonly #arrivals = new Map<Digest, Deferred<void>>();
  /** What is told of is part of an index. */
  #inIndex = false;
  /** It is not plain which manifest of an index is meant: to find that out is for later. */
  #ambiguous = false;
  #work: Promise<Unpacked | undefined> | undefined;

  constructor(target: UnpackTarget, options: UnpackOptions) {
    this.#target = { ...target, differ: this.#patient(target.differ) };
    const signal = AbortSignal.any([options.signal, this.#over.signal]);
    this.#options = { ...options, signal, prepareSignal: withGrace(signal) };
    this.#givenUp = aborted(signal);
    // Told to the layers that wait; perhaps none does.
    this.#givenUp.catch(() => undefined);
  }

  /** What it unpacked, once the fetch is over; undefined when that is not the whole image. */
  async finish(): Promise<Unpacked | undefined> {
    return await this.#work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#work;
  }

  #onDocument(document: Descriptor, children: readonly Descriptor[]): void {
    if (isIndexType(document.mediaType)) {
      this.#inIndex = true;
      this.#ambiguous ||= children.filter((one) => this.#fits(one)).length !== 1;
    }
    if (!isManifestType(document.mediaType) || this.#work !== undefined) return;
    if (this.#inIndex && (this.#ambiguous || !this.#fits(document))) return;
    this.#work = unpackImage(this.#target, document, this.#options).catch(() => undefined);
  }

  #onProgress(event: TransferEvent): void {
    if (event.kind === "done" || event.kind === "exists") this.#arrival(event.descriptor.digest).resolve();
  }

  #fits({ platform }: Descriptor): boolean {
    return platform !== undefined && this.#options.matcher.matches(platform);
  }

  #arrival(digest: Digest): Deferred<void> {
    const known = this.#arrivals.get(digest);
    if (known !== undefined) return known;
    const arrival = createDeferred<void>();
    this.#arrivals.set(digest, arrival);
    return arrival;
  }

  /** A differ that waits for the layer it is to apply. */
  #patient(differ: Differ): Differ {
    return {
      apply: async (layer, mounts, options) => {
        await Promise.race([this.#arrival(layer.digest).promise, this.#givenUp]);
        return differ.apply(layer, mounts, options);
      },
      compare: (lower, upper, options) => differ.compare(lower, upper, options),
    };
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
