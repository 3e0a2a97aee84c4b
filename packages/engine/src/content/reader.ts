import { closeSync, fstatSync, openSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import type { BlobReader, ByteRange, ContentInfo, Digest } from "@ctr/oci";
import { diskError, hasErrno } from "../store/disk-error.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** What is read at once and without a thread: a manifest or a configuration, which lists of images read by the hundred. */
const SMALL_BYTES = 64 * 1024;

/** Opens the bytes of a blob that is recorded with `size`. `data_loss` when the record is there and the file is not. */
export function openBlob(path: string, { digest, size }: Pick<ContentInfo, "digest" | "size">): BlobReader {
  return size > 0n && size <= SMALL_BYTES ? openSmall(path, digest) : openLarge(path, digest);
}

/** Holds the bytes: mapping a file takes no module to load, and less time than opening and reading it. */
function openSmall(path: string, digest: Digest): BlobReader {
  // Copied at once: the file belongs to nobody who would change it, but a mapping must not outlive that belief.
  const bytes = opened(digest, () => Bun.mmap(path)).slice();
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

function openLarge(path: string, digest: Digest): BlobReader {
  let fd: number | undefined = opened(digest, () => openSync(path, "r"));
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

function opened<T>(digest: Digest, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw diskError(error, "cannot read blob", { digest });
    throw new ContainerdError({
      code: "data_loss",
      what: "cannot read blob",
      where: { digest },
      why: "its bytes are gone from the store",
      fix: "fetch them again with `ctr content verify --repair`",
      cause: error,
    });
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
