import { closeSync, fstatSync, openSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import type { BlobReader, ByteRange, ContentInfo, Digest } from "@ctr/oci";
import { diskError, hasErrno } from "../store/disk-error.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** What is read at once and without a thread: a manifest or a configuration, which lists of images read by the hundred. */
export const SMALL_BYTES = 64 * 1024;

/** Opens the bytes of a blob that is recorded with `size`. `data_loss` when its file is missing, or of another size. */
export function openBlob(path: string, { digest, size }: Pick<ContentInfo, "digest" | "size">): BlobReader {
  const bytes = size > 0n && size <= SMALL_BYTES ? mapped(path) : undefined;
  const reader = bytes === undefined ? openFile(path, digest) : openBytes(bytes);
  if (reader.size === size) return reader;
  // Closing a file that was only read has nothing to say.
  void reader[Symbol.asyncDispose]();
  throw damaged(digest, `it has ${reader.size} bytes, its record says ${size}`);
}

function damaged(digest: Digest, why: string, cause?: unknown): ContainerdError {
  const fix = "fetch it again with `ctr content verify --repair`";
  return new ContainerdError({ code: "data_loss", what: "cannot read blob", where: { digest }, why, fix, cause });
}

/**
 * The bytes of a file: mapping it takes no module to load, and less time than opening and reading it. Undefined where it
 * cannot be mapped: the runtime asks for the right to write, which blobs give to nobody, so to root alone.
 */
export function mapped(path: string): Uint8Array | undefined {
  try {
    // Copied at once: nobody changes a blob, but a mapping must not outlive that belief.
    return Bun.mmap(path).slice();
  } catch {
    // Opening it says what is wrong, if anything is.
    return undefined;
  }
}

function openBytes(bytes: Uint8Array): BlobReader {
  const size = BigInt(bytes.byteLength);
  return {
    size,
    stream(range, { signal }) {
      const { start, end } = clamp(range, size);
      signal.throwIfAborted();
      return once(bytes.subarray(start, end));
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function openFile(path: string, digest: Digest): BlobReader {
  let fd: number | undefined = openForReading(path, digest);
  const size = BigInt(fstatSync(fd).size);
  return {
    size,
    stream(range, { signal }) {
      if (fd === undefined)
        throw new ContainerdError({ code: "internal", what: "a closed blob was read", where: { digest } });
      const { start, end } = clamp(range, size);
      signal.throwIfAborted();
      return readRange(path, { start, end }, signal);
    },
    async [Symbol.asyncDispose]() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function openForReading(path: string, digest: Digest): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw diskError(error, "cannot read blob", { digest });
    throw damaged(digest, "its bytes are gone from the store", error);
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function clamp(range: ByteRange, size: bigint): Range {
  const end = range.length === 0n || range.offset + range.length > size ? size : range.offset + range.length;
  return { start: Number(range.offset), end: Number(end) };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}

async function* readRange(path: string, { start, end }: Range, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const { open } = await import("node:fs/promises");
  await using file = await open(path);
  for (let at = start; at < end; ) {
    signal.throwIfAborted();
    // A buffer of its own for each chunk: in process it goes to the caller as it is.
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at);
    if (bytesRead === 0) throw endedEarly(path, at, end);
    at += bytesRead;
    yield bytesRead === chunk.byteLength ? chunk : chunk.subarray(0, bytesRead);
  }
}

function endedEarly(path: string, at: number, end: number): ContainerdError {
  return new ContainerdError({ code: "data_loss", what: "blob ended early", where: { path, at, end } });
}
