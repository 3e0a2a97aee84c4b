import { closeSync, openSync } from "node:fs";
import type { Descriptor } from "@ctr/oci";
import type { LayerFile } from "../diff/differ.ts";
import type { FileGrowth } from "../diff/growing-file.ts";

/** Bytes that have to come before readers are woken again: a message to a worker costs more than a read. */
const STEP_BYTES = 512 * 1024;

/**
 * The bytes of a blob while they are fetched, for whoever reads them meanwhile. Held by an open descriptor, so that
 * readers find them whatever name the file gets. Ended by disposing, when no reader is left.
 */
export class GrowingBlob implements Disposable {
  readonly #fd: number;
  #bytes: number;
  #toldBytes: number;
  #complete = false;
  #failure: { readonly error: unknown } | undefined;
  #wake = Promise.withResolvers<void>();
  #open = true;

  /** `bytes` are in the ingest's file already. */
  constructor(path: string, bytes: number) {
    this.#fd = openSync(path, "r");
    this.#bytes = bytes;
    this.#toldBytes = bytes;
  }

  /** More bytes were written. */
  grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes - this.#toldBytes >= STEP_BYTES) this.#tell();
  }

  /** No more come. */
  complete(): void {
    this.#complete = true;
    this.#tell();
  }

  /** What was read so far is worth nothing. Readers who were told all of it are not told this. */
  fail(error: unknown): void {
    if (this.#complete) return;
    this.#failure ??= { error };
    this.#tell();
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** The blob as the differ reads it; any number of readers may. */
  fileOf({ mediaType }: Pick<Descriptor, "mediaType">): LayerFile {
    const growth = { now: { bytes: this.#bytes, complete: false }, news: this.#news() };
    return { mediaType, path: `/proc/self/fd/${this.#fd}`, growth };
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  #tell(): void {
    this.#toldBytes = this.#bytes;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async *#news(): AsyncGenerator<FileGrowth, void, undefined> {
    for (let told = -1; ; ) {
      const { promise } = this.#wake;
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#complete || this.#bytes > told) {
        told = this.#bytes;
        const news = { bytes: told, complete: this.#complete };
        yield news;
        // By now there may be more to tell.
        if (news.complete) return;
      } else await promise;
    }
  }
}
