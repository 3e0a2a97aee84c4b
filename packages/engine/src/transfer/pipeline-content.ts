import { existsSync } from "node:fs";
import type { BlobWriter, Cancel, CommitOptions, ContentStore, Digest, Timestamp, WriterOptions } from "@ctr/oci";
import type { EngineContent } from "../content/store.ts";
import { GrowingBlob } from "./growing-blob.ts";

/** Told of a blob whose ingest was opened, with its bytes as they come; whoever is told disposes it. */
export type OnGrowingBlob = (digest: Digest, blob: GrowingBlob) => void;

/** A content store whose ingests can be read while they are written. */
export function watchContent(content: EngineContent, onBlob: OnGrowingBlob): ContentStore {
  return {
    async writer(ref: string, options: WriterOptions): Promise<BlobWriter> {
      const writer = await content.writer(ref, options);
      const { expected } = options;
      const path = content.ingestPath(ref);
      // Without a file the bytes are another namespace's, and here already.
      if (expected === undefined || !existsSync(path)) return writer;
      const blob = new GrowingBlob(path, Number(writer.offset));
      onBlob(expected, blob);
      return new WatchedWriter(writer, blob);
    },
    readerAt: (digest) => content.readerAt(digest),
    status: (ref) => content.status(ref),
    statuses: (filters) => content.statuses(filters),
    abort: (ref) => content.abort(ref),
    info: (digest) => content.info(digest),
    setLabels: (digest, labels) => content.setLabels(digest, labels),
    walk: (filters, options) => content.walk(filters, options),
    delete: (digest) => content.delete(digest),
  };
}

class WatchedWriter implements BlobWriter {
  readonly #writer: BlobWriter;
  readonly #blob: GrowingBlob;

  constructor(writer: BlobWriter, blob: GrowingBlob) {
    this.#writer = writer;
    this.#blob = blob;
  }

  get offset(): bigint {
    return this.#writer.offset;
  }

  get digest(): Digest | undefined {
    return this.#writer.digest;
  }

  get startedAt(): Timestamp | undefined {
    return this.#writer.startedAt;
  }

  async write(chunk: Uint8Array, options: Cancel): Promise<void> {
    await this.#writer.write(chunk, options);
    this.#blob.grow(chunk.byteLength);
  }

  async truncate(offset: bigint, options: Cancel): Promise<void> {
    this.#blob.fail(new Error("the ingest was begun anew"));
    await this.#writer.truncate(offset, options);
  }

  /** Readers need not wait for the disk; that the digest is right is known before anything they made counts. */
  async commit(commit: CommitOptions, options: Cancel): Promise<Digest> {
    this.#blob.complete();
    return await this.#writer.commit(commit, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
    // Means nothing to readers who were told all.
    this.#blob.fail(new Error("the blob was not fetched to its end"));
  }
}
