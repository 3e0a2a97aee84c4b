import type { Digest } from "@ctr/oci";
import type { GrowingBlob } from "./growing-blob.ts";

/** One blob on its way into the store. */
export interface Arrival {
  /** The bytes as they come; `undefined` once they are all in the store, when nobody saw them come. */
  readonly begun: Promise<GrowingBlob | undefined>;
  /** The store has it, its digest proven. */
  readonly stored: Promise<void>;
  /** What was read of `begun` was thrown away, and other bytes came in its place. */
  readonly restarted: boolean;
}

/** What a fetch tells of its blobs, for those who wait for them. Ended by disposing, when nobody reads a blob any more. */
export class Arrivals implements Disposable {
  readonly #blobs = new Map<Digest, Entry>();
  readonly #open: GrowingBlob[] = [];
  #outcome: { readonly error: unknown } | "over" | undefined;

  of(digest: Digest): Arrival {
    return this.#entry(digest);
  }

  begin(digest: Digest, blob: GrowingBlob): void {
    this.#open.push(blob);
    this.#entry(digest).begin(blob);
  }

  store(digest: Digest): void {
    this.#entry(digest).store();
  }

  /** The fetch is over: what did not come is there, or nobody wanted it. */
  finish(): void {
    this.#outcome = "over";
    for (const entry of this.#blobs.values()) entry.store();
  }

  /** Whatever has not come yet does not come any more. */
  fail(error: unknown): void {
    this.#outcome = { error };
    for (const entry of this.#blobs.values()) entry.fail(error);
  }

  [Symbol.dispose](): void {
    for (const blob of this.#open.splice(0)) blob[Symbol.dispose]();
  }

  #entry(digest: Digest): Entry {
    const known = this.#blobs.get(digest);
    if (known !== undefined) return known;
    const entry = new Entry();
    if (this.#outcome === "over") entry.store();
    else if (this.#outcome !== undefined) entry.fail(this.#outcome.error);
    this.#blobs.set(digest, entry);
    return entry;
  }
}

class Entry implements Arrival {
  readonly #begun = Promise.withResolvers<GrowingBlob | undefined>();
  readonly #stored = Promise.withResolvers<void>();
  readonly #blobs: GrowingBlob[] = [];

  constructor() {
    // Those who wait are told; that nobody waits is no fault.
    this.#begun.promise.catch(() => undefined);
    this.#stored.promise.catch(() => undefined);
  }

  get begun(): Promise<GrowingBlob | undefined> {
    return this.#begun.promise;
  }

  get stored(): Promise<void> {
    return this.#stored.promise;
  }

  get restarted(): boolean {
    return this.#blobs.length > 1 || this.#blobs.some((blob) => blob.failed);
  }

  begin(blob: GrowingBlob): void {
    this.#blobs.push(blob);
    this.#begun.resolve(blob);
  }

  store(): void {
    this.#begun.resolve(undefined);
    this.#stored.resolve();
  }

  fail(error: unknown): void {
    this.#begun.reject(error);
    this.#stored.reject(error);
  }
}
