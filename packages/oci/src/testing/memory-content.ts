import { ContainerdError } from "@ctr/api";
import { concatBytes } from "../blob.ts";
import type {
  BlobReader,
  BlobWriter,
  ByteRange,
  CommitOptions,
  ContentInfo,
  ContentStore,
  IngestStatus,
  Labels,
  WriterOptions,
} from "../content.ts";
import { type Digest, digestOf } from "../digest.ts";

interface Blob {
  readonly bytes: Uint8Array;
  labels: Record<string, string>;
}

interface Ingest {
  bytes: Uint8Array;
  locked: boolean;
}

/** A content store that forgets; it checks what containerd's checks. */
export class MemoryContentStore implements ContentStore {
  readonly blobs = new Map<Digest, Blob>();
  readonly ingests = new Map<string, Ingest>();
  /** Bytes written to ingests so far, to see what was fetched twice. */
  written = 0;

  /** Stores bytes at once. */
  add(bytes: Uint8Array, labels: Labels = {}): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digest, { bytes, labels: { ...labels } });
    return digest;
  }

  async readerAt(digest: Digest): Promise<BlobReader> {
    const { bytes } = this.#blob(digest);
    return {
      size: BigInt(bytes.byteLength),
      async *stream(range: ByteRange) {
        const start = Number(range.offset);
        const end = range.length === 0n ? bytes.byteLength : start + Number(range.length);
        for (let at = start; at < Math.min(end, bytes.byteLength); at += 65536) {
          yield bytes.subarray(at, Math.min(at + 65536, end));
        }
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  async writer(ref: string, options: WriterOptions): Promise<BlobWriter> {
    if (options.expected !== undefined && this.blobs.has(options.expected)) {
      throw new ContainerdError({ code: "already_exists", what: `content ${options.expected}`, why: "already exists" });
    }
    const ingest = this.ingests.get(ref) ?? { bytes: new Uint8Array(), locked: false };
    if (ingest.locked)
      throw new ContainerdError({ code: "unavailable", what: `ref ${ref} locked`, why: "unavailable" });
    ingest.locked = true;
    this.ingests.set(ref, ingest);
    return this.#openWriter(ref, ingest);
  }

  #openWriter(ref: string, ingest: Ingest): BlobWriter {
    const parts: Uint8Array[] = [ingest.bytes];
    const flush = () => {
      ingest.bytes = concatBytes(parts);
      parts.splice(0, parts.length, ingest.bytes);
    };
    const length = () => parts.reduce((sum, part) => sum + part.byteLength, 0);
    return {
      get offset() {
        return BigInt(length());
      },
      digest: undefined,
      startedAt: undefined,
      write: async (chunk) => {
        this.written += chunk.byteLength;
        parts.push(chunk.slice());
      },
      truncate: async (offset) => {
        flush();
        parts.splice(0, parts.length, ingest.bytes.slice(0, Number(offset)));
      },
      commit: async (commit) => {
        flush();
        return this.#commit(ref, ingest.bytes, commit);
      },
      [Symbol.asyncDispose]: async () => {
        flush();
        ingest.locked = false;
      },
    };
  }

  #commit(ref: string, bytes: Uint8Array, commit: CommitOptions): Digest {
    const digest = digestOf(bytes);
    if (commit.size !== undefined && commit.size > 0n && commit.size !== BigInt(bytes.byteLength)) {
      const why = `${bytes.byteLength} != ${commit.size}: failed precondition`;
      throw new ContainerdError({ code: "failed_precondition", what: `${ref} failed size validation`, why });
    }
    if (commit.expected !== undefined && commit.expected !== digest) {
      const what = `unexpected commit digest ${digest}, expected ${commit.expected}`;
      throw new ContainerdError({ code: "failed_precondition", what, why: "failed precondition" });
    }
    this.ingests.delete(ref);
    if (this.blobs.has(digest)) throw new ContainerdError({ code: "already_exists", what: `content ${digest}` });
    this.blobs.set(digest, { bytes, labels: { ...commit.labels } });
    return digest;
  }

  async status(ref: string): Promise<IngestStatus> {
    const ingest = this.ingests.get(ref);
    if (ingest === undefined) throw new ContainerdError({ code: "not_found", what: `ingest ${ref}`, why: "not found" });
    return this.#status(ref, ingest);
  }

  async statuses(): Promise<readonly IngestStatus[]> {
    return [...this.ingests].map(([ref, ingest]) => this.#status(ref, ingest));
  }

  #status(ref: string, ingest: Ingest): IngestStatus {
    const offset = BigInt(ingest.bytes.byteLength);
    return { ref, offset, total: 0n, expected: undefined, startedAt: undefined, updatedAt: undefined };
  }

  async abort(ref: string): Promise<void> {
    if (!this.ingests.delete(ref)) {
      throw new ContainerdError({ code: "not_found", what: `ingest ${ref}`, why: "not found" });
    }
  }

  async info(digest: Digest): Promise<ContentInfo> {
    const { bytes, labels } = this.#blob(digest);
    const size = BigInt(bytes.byteLength);
    return { digest, size, labels: { ...labels }, createdAt: undefined, updatedAt: undefined };
  }

  async setLabels(digest: Digest, labels: Labels): Promise<ContentInfo> {
    const blob = this.#blob(digest);
    for (const [key, value] of Object.entries(labels)) {
      if (value === "") delete blob.labels[key];
      else blob.labels[key] = value;
    }
    return this.info(digest);
  }

  /** Filters are not read: all blobs, in order of digest. */
  async *walk(): AsyncGenerator<ContentInfo, void, undefined> {
    for (const digest of [...this.blobs.keys()].toSorted()) yield await this.info(digest);
  }

  async delete(digest: Digest): Promise<void> {
    this.#blob(digest);
    this.blobs.delete(digest);
  }

  #blob(digest: Digest): Blob {
    const blob = this.blobs.get(digest);
    if (blob !== undefined) return blob;
    throw new ContainerdError({ code: "not_found", what: `content digest ${digest}`, why: "not found" });
  }
}
