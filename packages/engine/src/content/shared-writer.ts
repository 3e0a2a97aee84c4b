import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import type { BlobWriter, Cancel, CommitOptions, Digest } from "@ctr/oci";
import type { FileLock } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { addToLease } from "../metadata/leases.ts";
import { timestampOf } from "../store/clock.ts";
import { dropIngest, makePrivate } from "./ingests.ts";
import { blobPath, ingestDir } from "./layout.ts";
import { addBlob, sharedBlobSize } from "./records.ts";
import { aborted, openWriter, removeIngestDir, type WriterTarget } from "./writer.ts";

/** The blob that another namespace has. */
export interface SharedBlob {
  readonly digest: Digest;
  readonly size: bigint;
}

/**
 * A writer for bytes that are in the store already, under another namespace: it stands at their end, and its commit only
 * makes a record. Whoever writes on, or begins anew, gets an ingest of its own.
 */
export class SharedWriter implements BlobWriter {
  readonly #target: WriterTarget;
  readonly #lock: FileLock;
  readonly #blob: SharedBlob;
  #own: BlobWriter | undefined;

  constructor(target: WriterTarget, lock: FileLock, blob: SharedBlob) {
    this.#target = target;
    this.#lock = lock;
    this.#blob = blob;
  }

  get offset(): bigint {
    return this.#own?.offset ?? this.#blob.size;
  }

  get digest(): Digest | undefined {
    return this.#own === undefined ? this.#blob.digest : this.#own.digest;
  }

  get startedAt() {
    return timestampOf(this.#target.ingest.startedAt);
  }

  async write(chunk: Uint8Array, options: Cancel): Promise<void> {
    await (await this.#separate({ copy: true }, options)).write(chunk, options);
  }

  async truncate(offset: bigint, options: Cancel): Promise<void> {
    await (await this.#separate({ copy: false }, options)).truncate(offset, options);
  }

  async commit(commit: CommitOptions, options: Cancel): Promise<Digest> {
    return this.#own === undefined ? this.#adopt(commit) : await this.#own.commit(commit, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own?.[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }

  #adopt(commit: CommitOptions): Digest {
    const { store, scope, ingest, layout } = this.#target;
    const { digest, size } = this.#blob;
    checkCommit(ingest.ref, this.#blob, commit);
    store.db.write((tx) => {
      // The ingest's row kept the bytes from being collected; without it they may be gone.
      if (!dropIngest(tx, ingest) || sharedBlobSize(tx, digest) === undefined) throw aborted(ingest);
      addBlob(store, tx, scope.namespace, { digest, size, labels: commit.labels ?? {} });
      if (scope.lease !== undefined) addToLease(tx, scope, "content", digest);
    });
    failpoint("content.shared");
    this.#lock[Symbol.dispose]();
    removeIngestDir(layout, ingest);
    return digest;
  }

  async #separate(how: { readonly copy: boolean }, { signal }: Cancel): Promise<BlobWriter> {
    if (this.#own !== undefined) return this.#own;
    const { store, layout, ingest } = this.#target;
    if (how.copy) {
      const path = join(ingestDir(layout, ingest), "data");
      copyFileSync(blobPath(layout, this.#blob.digest), path);
      // The copy has the blob's mode, which nobody may write.
      chmodSync(path, 0o600);
    }
    store.db.write((tx) => makePrivate(tx, ingest));
    this.#own = await openWriter(this.#target, this.#lock, signal);
    return this.#own;
  }
}

function checkCommit(ref: string, { digest, size }: SharedBlob, commit: CommitOptions): void {
  if (commit.size !== undefined && commit.size !== 0n && commit.size !== size) {
    const what = `${JSON.stringify(ref)} failed size validation: ${size} != ${commit.size}`;
    throw new ContainerdError({ code: "failed_precondition", what });
  }
  if (commit.expected !== undefined && commit.expected !== digest) {
    const what = `unexpected commit digest ${digest}, expected ${commit.expected}`;
    throw new ContainerdError({ code: "failed_precondition", what });
  }
}
