import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ContainerdError } from "@ctr/api";
import { type BlobWriter, type CommitOptions, type Digest, digestAlgorithm, openDigester } from "@ctr/oci";
import { type FileLock, throwWriteFault, tryLock } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { addToLease } from "../metadata/leases.ts";
import type { Scope } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { WriteTx } from "../store/database.ts";
import { diskError, hasErrno } from "../store/disk-error.ts";
import type { GroupSync } from "../store/group-sync.ts";
import { makeSyncedDirectory, syncPath } from "../store/shared-sync.ts";
import type { Store } from "../store/store.ts";
import { dropIngest, type Ingest } from "./ingests.ts";
import { blobPath, type ContentLayout, ingestDir } from "./layout.ts";
import { addBlob } from "./records.ts";

/** What a writer works on; the ref's lock is held. */
export interface WriterTarget {
  readonly store: Store;
  readonly layout: ContentLayout;
  readonly scope: Scope;
  readonly ingest: Ingest;
  /** Shared with who else waits for the disk, where many write at once. Whoever opened it waits for the rows in the end. */
  readonly group?: GroupSync | undefined;
}

/**
 * Takes the lock of an ingest's ref. `unavailable` while another writer has it, in this process or any other, and when
 * one that had it ends the ingest just now.
 */
export function lockIngest(layout: ContentLayout, ingest: Ingest): FileLock {
  const dir = ingestDir(layout, ingest);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  failpoint("content.directory");
  const lock = tryLockIn(dir);
  if (lock !== undefined) return lock;
  throw new ContainerdError({ code: "unavailable", what: `ref ${ingest.namespace}/${ingest.id}/${ingest.ref} locked` });
}

function tryLockIn(dir: string): FileLock | undefined {
  try {
    return tryLock(join(dir, "lock"));
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Removes the directory of an ingest that has ended. Someone may be about to ask for its lock: GC takes what he leaves. */
export function removeIngestDir(layout: ContentLayout, ingest: Ingest): void {
  const dir = ingestDir(layout, ingest);
  try {
    // All that is left where the bytes have become a blob.
    unlinkSync(join(dir, "lock"));
    rmdirSync(dir);
    return;
  } catch {
    // Not so: what is there is removed, or known to be gone.
  }
  try {
    rmSync(dir, { recursive: true, force: true });
  } catch (error) {
    if (!hasErrno(error, "ENOTEMPTY", "ENOENT")) throw error;
  }
}

/** Opens the bytes of an ingest at their end, and the hash that goes with them: what is there is read once more. */
export async function openWriter(target: WriterTarget, lock: FileLock, signal: AbortSignal): Promise<BlobWriter> {
  const path = join(ingestDir(target.layout, target.ingest), "data");
  const fd = openSync(path, "a+", 0o600);
  try {
    const hash = new Bun.CryptoHasher("sha256");
    const size = fstatSync(fd).size;
    if (size > 0) await hashFile(path, hash, signal);
    return new IngestWriter(target, { fd, path, lock, hash, offset: BigInt(size) });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

interface OpenIngest {
  readonly fd: number;
  readonly path: string;
  readonly lock: FileLock;
  readonly hash: Bun.CryptoHasher;
  readonly offset: bigint;
}

/** Bytes after which they are brought to disk while more are written, so that a large blob has little to wait for at its end. */
const FLUSH_BYTES = 64 * 1024 * 1024;

/**
 * From this size on a chunk is hashed here while a thread writes it. What the network brings is smaller: it comes for
 * several blobs at once, which keep all cores busy, and would wait for threads that bring others to disk.
 */
const THREAD_BYTES = 1024 * 1024;

class IngestWriter implements BlobWriter {
  readonly #target: WriterTarget;
  readonly #path: string;
  readonly #lock: FileLock;
  #fd: number | undefined;
  #hash: Bun.CryptoHasher;
  #offset: bigint;
  /** Settles when what was to be written is; never fails. */
  #written: Promise<void> = Promise.resolve();
  /** Of the last chunk that could not be written. */
  #fault: { readonly error: unknown } | undefined;
  #unflushed = 0;
  #flushing: Promise<void> | undefined;
  /** The kernel tells a failure once, so it is kept for the commit. */
  #flushFault: { readonly error: unknown } | undefined;

  constructor(target: WriterTarget, opened: OpenIngest) {
    this.#target = target;
    this.#path = opened.path;
    this.#lock = opened.lock;
    this.#fd = opened.fd;
    this.#hash = opened.hash;
    this.#offset = opened.offset;
  }

  get offset(): bigint {
    return this.#offset;
  }

  get digest(): Digest {
    // A fresh sha256 has the right form.
    return `sha256:${this.#hash.copy().digest("hex")}` as Digest;
  }

  get startedAt() {
    return timestampOf(this.#target.ingest.startedAt);
  }

  /** One after the other, whoever does not wait; what was to follow a chunk that fails fails with it. */
  async write(chunk: Uint8Array): Promise<void> {
    const fd = this.#open();
    const known = this.#fault;
    const writing = this.#written.then(() => {
      if (this.#fault !== known) throw this.#fault?.error;
      return this.#append(fd, chunk);
    });
    this.#written = writing.catch(() => undefined);
    await writing;
  }

  /** Hash and offset are those of the bytes before `chunk` until all of it is in the file. */
  async #append(fd: number, chunk: Uint8Array): Promise<void> {
    try {
      failpoint("content.write");
      if (chunk.byteLength < THREAD_BYTES) {
        for (let at = 0; at < chunk.byteLength; ) at += writeSync(fd, chunk, at);
        this.#hash.update(chunk);
      } else {
        const writing = writeOnThread(fd, chunk);
        const hash = this.#hash.copy();
        hash.update(chunk);
        await writing;
        this.#hash = hash;
      }
    } catch (error) {
      // Part of the chunk may be in the file: cut it off, so that file and hash agree for whoever resumes.
      ftruncateSync(fd, Number(this.#offset));
      this.#fault = { error: diskError(error, "cannot write ingest", { ref: this.#target.ingest.ref }) };
      throw this.#fault.error;
    }
    this.#offset += BigInt(chunk.byteLength);
    this.#unflushed += chunk.byteLength;
    if (this.#unflushed >= FLUSH_BYTES) this.#flush(fd);
  }

  /** Not waited for here; one at a time. */
  #flush(fd: number): void {
    if (this.#flushing !== undefined) return;
    this.#unflushed = 0;
    this.#flushing = syncFd(fd)
      .catch((error: unknown) => {
        this.#flushFault ??= { error };
      })
      .finally(() => {
        this.#flushing = undefined;
      });
  }

  async truncate(offset: bigint): Promise<void> {
    if (offset !== 0n) {
      throw new ContainerdError({ code: "invalid_argument", what: "an ingest can be cut back to 0 bytes only" });
    }
    await this.#written;
    ftruncateSync(this.#open(), 0);
    this.#hash = new Bun.CryptoHasher("sha256");
    this.#offset = 0n;
  }

  /** C1: the file is on disk under its name before its row is. */
  async commit(commit: CommitOptions, { signal }: { readonly signal: AbortSignal }): Promise<Digest> {
    const { store, layout, ingest } = this.#target;
    await this.#written;
    this.#checkSize(commit.size);
    const digest = await this.#checkDigest(commit.expected, signal);
    failpoint("content.sync");
    await this.#flushing;
    if (this.#flushFault !== undefined) throw this.#flushFault.error;
    await this.#toDisk(() => syncFd(this.#open()));
    failpoint("content.synced");
    const path = blobPath(layout, digest);
    await makeSyncedDirectory(dirname(path));
    using _held = await store.locks.holdDisk({ signal });
    if (!existsSync(path)) {
      fchmodSync(this.#open(), 0o444);
      renameSync(this.#path, path);
      failpoint("content.renamed");
    }
    // Also when the file was there: whoever renamed it may not have come to this yet.
    await this.#toDisk(() => syncPath(dirname(path)));
    failpoint("content.on-disk");
    const added = await this.#record(digest, commit);
    failpoint("content.recorded");
    await this.#close();
    removeIngestDir(layout, ingest);
    if (added) return digest;
    throw new ContainerdError({ code: "already_exists", what: `content ${digest}` });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  async #toDisk(alone: () => Promise<void>): Promise<void> {
    const { group, layout } = this.#target;
    if (group === undefined) return alone();
    await group.wait(layout.root, alone);
    // Before Linux 5.8 a sync of the filesystem fails for no file's sake.
    throwWriteFault(this.#open(), this.#path);
  }

  #record(digest: Digest, commit: CommitOptions): Promise<boolean> {
    const { store, scope, ingest, group } = this.#target;
    const write = (tx: WriteTx) => {
      if (!dropIngest(tx, ingest)) throw aborted(ingest);
      const blob = { digest, size: this.#offset, labels: commit.labels ?? {} };
      const added = addBlob(store, tx, scope.namespace, blob);
      if (scope.lease !== undefined) addToLease(tx, scope, "content", digest);
      return added;
    };
    return store.db.writeTogether(write, { synced: group === undefined });
  }

  #checkSize(expected: bigint | undefined): void {
    if (expected === undefined || expected === 0n || expected === this.#offset) return;
    const { ref } = this.#target.ingest;
    const what = `${JSON.stringify(ref)} failed size validation: ${this.#offset} != ${expected}`;
    throw new ContainerdError({ code: "failed_precondition", what });
  }

  /** The digest of the bytes; in the algorithm of `expected`, for which they are read again when it is not sha256. */
  async #checkDigest(expected: Digest | undefined, signal: AbortSignal): Promise<Digest> {
    const algorithm = expected === undefined ? "sha256" : digestAlgorithm(expected);
    let digest = this.digest;
    if (algorithm !== "sha256") {
      const digester = openDigester(algorithm);
      await hashFile(this.#path, digester, signal);
      digest = digester.digest();
    }
    if (expected === undefined || expected === digest) return digest;
    throw new ContainerdError({
      code: "failed_precondition",
      what: `unexpected commit digest ${digest}, expected ${expected}`,
    });
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    throw new ContainerdError({
      code: "failed_precondition",
      what: "the writer is closed",
      where: { ref: this.#target.ingest.ref },
    });
  }

  /** The number of a closed descriptor may be another file's by the time a thread comes to it. */
  async #close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    await this.#written;
    await this.#flushing;
    if (fd !== undefined) closeSync(fd);
    this.#lock[Symbol.dispose]();
  }
}

/** The ingest is gone: whoever wrote it learns at its commit. */
export function aborted(ingest: Ingest): ContainerdError {
  return new ContainerdError({
    code: "not_found",
    what: `ingest ref ${JSON.stringify(ingest.ref)}`,
    why: "it was aborted, or collected, while it was written",
  });
}

async function hashFile(
  path: string,
  hash: { update(chunk: Uint8Array): unknown },
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(path);
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, null);
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
  }
}

/** Takes as many calls as the kernel wants. */
async function writeOnThread(fd: number, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) at += await writeSome(fd, chunk.subarray(at));
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.byteLength, null, (error, taken) => (error ? reject(error) : resolve(taken)));
  });
}

function syncFd(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => (error ? reject(diskError(error, "cannot sync ingest")) : resolve()));
  });
}
