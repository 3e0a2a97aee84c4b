import type { Digest } from "./digest.ts";

export interface Cancel {
  readonly signal: AbortSignal;
}

export type Labels = Readonly<Record<string, string>>;

/** A point in time with nanoseconds: what the wire carries, printed without loss. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** A committed blob. */
export interface ContentInfo {
  readonly digest: Digest;
  readonly size: bigint;
  readonly createdAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
  readonly labels: Labels;
}

/** A write in progress. */
export interface IngestStatus {
  readonly ref: string;
  /** Bytes written so far. */
  readonly offset: bigint;
  /** Expected size; 0 when unknown. */
  readonly total: bigint;
  /** Expected digest, where the writer named one. */
  readonly expected: Digest | undefined;
  readonly startedAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
}

export interface ByteRange {
  readonly offset: bigint;
  /** 0 means to the end. */
  readonly length: bigint;
}

/** An open blob. Opened by `readerAt`, ended by disposing; holds nothing across a crash. */
export interface BlobReader extends AsyncDisposable {
  readonly size: bigint;
  /** Chunks of at most 1 MiB, in order. */
  stream(range: ByteRange, options: Cancel): AsyncIterable<Uint8Array>;
}

export interface ContentProvider {
  /** Throws `not_found` when there is no such blob in the namespace. */
  readerAt(digest: Digest, options: Cancel): Promise<BlobReader>;
}

export interface WriterOptions extends Cancel {
  /** What the blob should be; a store that has it already answers `already_exists`. */
  readonly expected?: Digest;
  /** Bytes; left out when unknown. */
  readonly size?: bigint;
}

export interface CommitOptions {
  readonly size?: bigint;
  readonly expected?: Digest;
  readonly labels?: Labels;
}

/**
 * An open ingest. Opened by `writer`, ended by `commit`; disposing it uncommitted keeps the ingest, so that a later
 * writer of the same ref resumes at `offset`, also after a crash.
 */
export interface BlobWriter extends AsyncDisposable {
  /** Bytes the store has. */
  readonly offset: bigint;
  readonly digest: Digest | undefined;
  readonly startedAt: Timestamp | undefined;
  /** Waits until the store has the chunk, which must not change before that. */
  write(chunk: Uint8Array, options: Cancel): Promise<void>;
  /** Cuts the ingest back to `offset` bytes; only 0 is certain to be taken. */
  truncate(offset: bigint, options: Cancel): Promise<void>;
  /** Makes it a blob. `already_exists` when the bytes are there: success for most callers. `failed_precondition` on a wrong size or digest. */
  commit(commit: CommitOptions, options: Cancel): Promise<Digest>;
}

export interface ContentIngester {
  /** `unavailable` while another writer holds the ref; `already_exists` when `expected` is in the store. */
  writer(ref: string, options: WriterOptions): Promise<BlobWriter>;
  status(ref: string, options: Cancel): Promise<IngestStatus>;
  statuses(filters: readonly string[], options: Cancel): Promise<readonly IngestStatus[]>;
  /** Drops an ingest and its bytes. */
  abort(ref: string, options: Cancel): Promise<void>;
}

export interface ContentManager {
  info(digest: Digest, options: Cancel): Promise<ContentInfo>;
  /** Sets labels; an empty value deletes. Leaves labels not named alone. */
  setLabels(digest: Digest, labels: Labels, options: Cancel): Promise<ContentInfo>;
  walk(filters: readonly string[], options: Cancel): AsyncIterable<ContentInfo>;
  delete(digest: Digest, options: Cancel): Promise<void>;
}

export interface ContentStore extends ContentProvider, ContentIngester, ContentManager {}
