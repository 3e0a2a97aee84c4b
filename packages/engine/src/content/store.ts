import { statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import type {
  BlobReader,
  BlobWriter,
  Cancel,
  ContentInfo,
  ContentStore,
  Digest,
  IngestStatus,
  Labels,
  WriterOptions,
} from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import { addToLease } from "../metadata/leases.ts";
import type { Scope } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { WriteTx } from "../store/database.ts";
import { diskError, hasErrno } from "../store/disk-error.ts";
import type { GroupSync } from "../store/group-sync.ts";
import type { Store } from "../store/store.ts";
import { emptyTrash, trashPath } from "../store/trash.ts";
import { filterContent, filterIngests } from "./filters.ts";
import { claimIngest, dropIngest, findIngest, getIngest, type Ingest, listIngests } from "./ingests.ts";
import { blobPath, type ContentLayout, contentLayout, ingestDir } from "./layout.ts";
import { openBlob } from "./reader.ts";
import { deleteBlob, findBlob, getBlob, listBlobs, setBlobLabels, sharedBlobSize } from "./records.ts";
import { SharedWriter } from "./shared-writer.ts";
import { lockIngest, openWriter, removeIngestDir } from "./writer.ts";

/** How often a writer claims a ref that others end just then: each time somebody else got on. */
const CLAIM_ATTEMPTS = 20;

/** The blobs and ingests of one namespace. Keeps nothing between calls: other processes use the store too. */
export class EngineContent implements ContentStore {
  readonly #store: Store;
  readonly #scope: Scope;
  readonly #layout: ContentLayout;
  readonly #group: GroupSync | undefined;

  /** In a `group` writers wait for the disk together, and nobody for rows: whoever opened it does that in the end. */
  constructor(store: Store, scope: Scope, group?: GroupSync) {
    this.#group = group;
    this.#store = store;
    this.#scope = scope;
    this.#layout = contentLayout(store);
  }

  async readerAt(digest: Digest): Promise<BlobReader> {
    return openBlob(this.pathOf(digest), await this.info(digest));
  }

  /** Where the bytes of a blob are, whether or not the namespace knows it. */
  pathOf(digest: Digest): string {
    return blobPath(this.#layout, digest);
  }

  /** Where the bytes of an ingest are while they grow. */
  ingestPath(ref: string): string {
    const ingest = this.#store.db.read((tx) => getIngest(tx, this.#scope.namespace, ref));
    return join(ingestDir(this.#layout, ingest), "data");
  }

  async writer(ref: string, options: WriterOptions): Promise<BlobWriter> {
    if (ref === "") throw new ContainerdError({ code: "invalid_argument", what: "ref must not be empty" });
    for (let attempt = 1; ; attempt++) {
      const writer = await this.#openWriter(ref, options);
      if (writer !== undefined) return writer;
      if (attempt === CLAIM_ATTEMPTS) throw endedByAnother(ref);
    }
  }

  /** Undefined when whoever held the ref's lock ended the ingest between our claim and our turn: it is to be claimed anew. */
  async #openWriter(ref: string, options: WriterOptions): Promise<BlobWriter | undefined> {
    const total = options.size ?? 0n;
    const { ingest, shared } = this.#claim(ref, total, options.expected);
    failpoint("content.claimed");
    const lock = lockIngest(this.#layout, ingest);
    try {
      const current = this.#stillThere(ingest);
      if (current === undefined) {
        lock[Symbol.dispose]();
        removeIngestDir(this.#layout, ingest);
        return undefined;
      }
      const target = {
        store: this.#store,
        layout: this.#layout,
        scope: this.#scope,
        ingest: current,
        group: this.#group,
      };
      if (shared !== undefined && options.expected !== undefined) {
        return new SharedWriter(target, lock, { digest: options.expected, size: shared });
      }
      return await openWriter(target, lock, options.signal);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  async status(ref: string): Promise<IngestStatus> {
    return this.#status(this.#store.db.read((tx) => getIngest(tx, this.#scope.namespace, ref)));
  }

  async statuses(filters: readonly string[]): Promise<readonly IngestStatus[]> {
    const matches = filterIngests(filters);
    const ingests = this.#store.db.read((tx) => listIngests(tx, this.#scope.namespace));
    return ingests.map((ingest) => this.#status(ingest)).filter(matches);
  }

  async abort(ref: string): Promise<void> {
    const ingest = this.#store.db.write((tx) => {
      const found = getIngest(tx, this.#scope.namespace, ref);
      dropIngest(tx, found);
      return found;
    });
    failpoint("content.aborted");
    // Renamed before it is deleted: a writer that still has it open may be making files in it.
    await rename(ingestDir(this.#layout, ingest), trashPath(this.#store)).catch((error) => {
      if (!hasErrno(error, "ENOENT")) throw diskError(error, "cannot abort ingest", { ref });
    });
    await emptyTrash(this.#store);
  }

  async info(digest: Digest): Promise<ContentInfo> {
    return this.#store.db.read((tx) => getBlob(tx, this.#scope.namespace, digest));
  }

  /** Whether the namespace knows a blob. */
  async has(digest: Digest): Promise<boolean> {
    return this.#store.db.read((tx) => findBlob(tx, this.#scope.namespace, digest)) !== undefined;
  }

  async setLabels(digest: Digest, labels: Labels): Promise<ContentInfo> {
    return this.update(digest, (now) => ({ ...now, ...labels }));
  }

  /** Replaces the labels with what `change` makes of them, in one transaction. */
  async update(digest: Digest, change: (labels: Labels) => Labels): Promise<ContentInfo> {
    const { namespace } = this.#scope;
    const write = (tx: WriteTx) => {
      const labels = change(getBlob(tx, namespace, digest).labels);
      return setBlobLabels(this.#store, tx, namespace, digest, labels);
    };
    return this.#group === undefined ? this.#store.db.write(write) : this.#store.db.writeUnsynced(write);
  }

  async *walk(filters: readonly string[], { signal }: Cancel): AsyncIterable<ContentInfo> {
    const matches = filterContent(filters);
    for (const info of this.#store.db.read((tx) => listBlobs(tx, this.#scope.namespace))) {
      signal.throwIfAborted();
      if (matches(info)) yield info;
    }
  }

  async delete(digest: Digest): Promise<void> {
    this.#store.db.write((tx) => deleteBlob(this.#store, tx, this.#scope.namespace, digest));
  }

  /** The ingest for `ref`, and the size of its blob where another namespace has that already. */
  #claim(
    ref: string,
    total: bigint,
    expected: Digest | undefined,
  ): { readonly ingest: Ingest; readonly shared: bigint | undefined } {
    const { namespace } = this.#scope;
    // Worth nothing without what is written when the bytes are committed.
    const claimed = this.#store.db.writeUnsynced((tx) => {
      if (expected !== undefined && findBlob(tx, namespace, expected) !== undefined) {
        // Not thrown in here: that the lease keeps the blob must stay.
        if (this.#scope.lease !== undefined) addToLease(tx, this.#scope, "content", expected);
        return undefined;
      }
      const size = expected === undefined ? undefined : sharedBlobSize(tx, expected);
      const begun = findIngest(tx, namespace, ref);
      const fits = begun === undefined ? total === 0n || total === size : begun.expected === expected;
      const shared = fits ? size : undefined;
      const wanted = { ref, total: shared ?? total, expected: shared === undefined ? undefined : expected };
      return { ingest: claimIngest(this.#store, tx, this.#scope, wanted), shared };
    });
    if (claimed !== undefined) return claimed;
    throw new ContainerdError({ code: "already_exists", what: `content ${expected}` });
  }

  #stillThere(ingest: Ingest): Ingest | undefined {
    const now = this.#store.db.read((tx) => findIngest(tx, ingest.namespace, ingest.ref));
    return now?.id === ingest.id ? now : undefined;
  }

  #status(ingest: Ingest): IngestStatus {
    const path = join(ingestDir(this.#layout, ingest), "data");
    const data = statSync(path, { bigint: true, throwIfNoEntry: false });
    const shared = ingest.expected === undefined ? undefined : ingest.total;
    return {
      ref: ingest.ref,
      offset: shared ?? data?.size ?? 0n,
      total: ingest.total,
      expected: ingest.expected,
      startedAt: timestampOf(ingest.startedAt),
      updatedAt: timestampOf(data?.mtimeNs ?? ingest.startedAt),
    };
  }
}

function endedByAnother(ref: string): ContainerdError {
  return new ContainerdError({ code: "unavailable", what: `ref ${ref} was ended by another writer` });
}
