import { ContainerdError, type contentV1, services } from "@ctr/api";
import {
  type BlobReader,
  type BlobWriter,
  type ByteRange,
  type CommitOptions,
  type ContentInfo,
  type ContentStore,
  type Digest,
  type IngestStatus,
  isDigest,
  type Labels,
  parseDigest,
  type ReadDocument,
} from "@ctr/oci";
import type { Client } from "./client.ts";
import { labelPaths } from "./label-paths.ts";
import type { CallSettings } from "./settings.ts";
import { contentSummaries } from "./summary-wire.ts";
import { timestampFromWire } from "./wire.ts";

/** Bytes per chunk handed out; what containerd sends, and the most that a stream may carry here. */
const CHUNK_BYTES = 1024 * 1024;

export interface RemoteWriterSettings extends CallSettings {
  /** What the blob should be; `already_exists` when the namespace has it. */
  readonly expected?: Digest | undefined;
  /** Bytes; left out when unknown. */
  readonly size?: bigint | undefined;
}

/** What a list shows of a blob. */
export type ContentSummary = Pick<ContentInfo, "digest" | "size" | "createdAt" | "labels">;

/** A writer whose calls need no signal. It holds its ref until it is committed or disposed. */
export interface RemoteBlobWriter extends BlobWriter {
  /** May be called before the last one has settled: chunks go in order, and the daemon has more to do at once. */
  write(chunk: Uint8Array, settings?: CallSettings): Promise<void>;
  truncate(offset: bigint, settings?: CallSettings): Promise<void>;
  commit(commit: CommitOptions, settings?: CallSettings): Promise<Digest>;
}

/** A namespace's content store, over the wire. Engine reference: Content service. */
export class RemoteContentStore implements ContentStore {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async info(digest: Digest, settings: CallSettings = {}): Promise<ContentInfo> {
    const { info } = await (await this.#service).info({ digest }, this.#client.callOptions(settings));
    return infoFromWire(info);
  }

  /** Sets labels; an empty value deletes. Labels not named stay. */
  async setLabels(digest: Digest, labels: Labels, settings: CallSettings = {}): Promise<ContentInfo> {
    const request = { info: { digest, labels }, updateMask: labelPaths(labels) };
    if (request.updateMask.length === 0) return this.info(digest, settings);
    const { info } = await (await this.#service).update(request, this.#client.callOptions(settings));
    return infoFromWire(info);
  }

  /** Blobs of the namespace in order of digest; filter fields are `digest` and `labels.*`. */
  async *walk(filters: readonly string[] = [], settings: CallSettings = {}): AsyncIterable<ContentInfo> {
    for await (const { info } of (await this.#service).list({ filters }, this.#client.callOptions(settings))) {
      for (const entry of info) yield infoFromWire(entry);
    }
  }

  /** What `walk` gives, page by page as it comes, for who only shows it: cheap, however many there are. */
  async *summaries(
    filters: readonly string[] = [],
    settings: CallSettings = {},
  ): AsyncIterable<readonly ContentSummary[]> {
    const options = this.#client.callOptions(settings);
    const service = await this.#client.service(contentSummaries);
    for await (const { info } of service.list({ filters }, options)) {
      yield areSummaries(info) ? info : info.map(summaryFromWire);
    }
  }

  async delete(digest: Digest, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).delete({ digest }, this.#client.callOptions(settings));
  }

  async readerAt(digest: Digest, settings: CallSettings = {}): Promise<BlobReader> {
    const { size } = await this.info(digest, settings);
    return {
      size,
      stream: (range, options: CallSettings = {}) => this.read(digest, range, options),
      async [Symbol.asyncDispose]() {},
    };
  }

  /** Bytes of a blob in chunks of at most 1 MiB; all of it without a range. Nothing is verified. */
  async *read(
    digest: Digest,
    range: ByteRange = { offset: 0n, length: 0n },
    settings: CallSettings = {},
  ): AsyncIterable<Uint8Array> {
    const request = { digest, offset: range.offset, size: range.length };
    for await (const { data } of (await this.#service).read(request, this.#client.callOptions(settings))) {
      for (let start = 0; start < data.byteLength; start += CHUNK_BYTES) {
        yield data.byteLength <= CHUNK_BYTES ? data : data.subarray(start, start + CHUNK_BYTES);
      }
    }
  }

  /** Many documents at once, each whole, or what reading it failed with. */
  async documents(digests: readonly Digest[], settings: CallSettings = {}): Promise<ReadonlyMap<Digest, ReadDocument>> {
    const { remoteDocuments } = await import("./content-documents.ts");
    return remoteDocuments(this.#client, digests, settings);
  }

  /** Opens or resumes an ingest. `unavailable` while another writer holds `ref`. */
  async writer(ref: string, settings: RemoteWriterSettings = {}): Promise<RemoteBlobWriter> {
    const { openRemoteWriter } = await import("./content-writer.ts");
    return openRemoteWriter(this.#client, ref, settings);
  }

  async status(ref: string, settings: CallSettings = {}): Promise<IngestStatus> {
    const { status } = await (await this.#service).status({ ref }, this.#client.callOptions(settings));
    return statusFromWire(status);
  }

  /** Writes in progress; the filter field is `ref`. */
  async statuses(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly IngestStatus[]> {
    const { statuses } = await (await this.#service).listStatuses({ filters }, this.#client.callOptions(settings));
    return statuses.map(statusFromWire);
  }

  async abort(ref: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).abort({ ref }, this.#client.callOptions(settings));
  }

  get #service() {
    return this.#client.service(services.content);
  }
}

function infoFromWire(info: contentV1.Info | undefined): ContentInfo {
  if (info === undefined) throw missing("info");
  return {
    digest: parseDigest(info.digest),
    size: info.size,
    createdAt: timestampFromWire(info.createdAt),
    updatedAt: timestampFromWire(info.updatedAt),
    labels: info.labels,
  };
}

/** Whether it can be handed out as it came: lists have thousands. */
function areSummaries(page: readonly contentV1.Info[]): page is readonly (contentV1.Info & ContentSummary)[] {
  for (const { digest, createdAt } of page) {
    if (!isDigest(digest) || timestampFromWire(createdAt) !== createdAt) return false;
  }
  return true;
}

function summaryFromWire({ digest, size, createdAt, labels }: contentV1.Info): ContentSummary {
  return { digest: parseDigest(digest), size, createdAt: timestampFromWire(createdAt), labels };
}

function statusFromWire(status: contentV1.Status | undefined): IngestStatus {
  if (status === undefined) throw missing("status");
  return {
    ref: status.ref,
    offset: status.offset,
    total: status.total,
    expected: isDigest(status.expected) ? status.expected : undefined,
    startedAt: timestampFromWire(status.startedAt),
    updatedAt: timestampFromWire(status.updatedAt),
  };
}

function missing(field: string): ContainerdError {
  return new ContainerdError({ code: "internal", what: "cannot read content answer", why: `it has no ${field}` });
}
