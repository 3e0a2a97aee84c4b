import { closeSync, fstatSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { ContainerdError } from "@ctr/api";
import type { BlobReader, ByteRange, Digest } from "@ctr/oci";
import { diskError, hasErrno } from "../store/disk-error.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** Opens the bytes of a blob. `data_loss` when the record is there and the file is not. */
export function openBlob(path: string, digest: Digest): BlobReader {
  let fd: number | undefined = openFile(path, digest);
  const size = BigInt(fstatSync(fd).size);
  return {
    size,
    stream(range, { signal }) {
      if (fd === undefined)
        throw new ContainerdError({ code: "internal", what: "a closed blob was read", where: { digest } });
      return readRange(path, clamp(range, size), signal);
    },
    async [Symbol.asyncDispose]() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function openFile(path: string, digest: Digest): number {
  try {
    return openSync(path, "r");
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

function clamp(range: ByteRange, size: bigint): { readonly start: number; readonly end: number } {
  const end = range.length === 0n || range.offset + range.length > size ? size : range.offset + range.length;
  return { start: Number(range.offset), end: Number(end) };
}

async function* readRange(
  path: string,
  { start, end }: { readonly start: number; readonly end: number },
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  await using file = await open(path);
  for (let at = start; at < end; ) {
    signal.throwIfAborted();
    // A buffer of its own for each chunk: in process it goes to the caller as it is.
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at);
    if (bytesRead === 0)
      throw new ContainerdError({ code: "data_loss", what: "blob ended early", where: { path, at, end } });
    at += bytesRead;
    yield bytesRead === chunk.byteLength ? chunk : chunk.subarray(0, bytesRead);
  }
}
