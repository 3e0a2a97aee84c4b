import type { Duplex } from "node:stream";
import { ContainerdError } from "@ctr/api";
import { ByteSource } from "./byte-source.ts";

export type Compression = "none" | "gzip" | "zstd";

/** What the first bytes of a stream say; a skippable zstd frame counts as zstd. */
export function detectCompression(start: Uint8Array): Compression {
  const begins = (...magic: number[]) => magic.every((byte, index) => start[index] === byte);
  if (begins(0x1f, 0x8b, 0x08)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  const isSkippable = ((start[0] ?? 0) & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18;
  return isSkippable ? "zstd" : "none";
}

/** The stream, decompressed if it is compressed. A zstd stream that is cut short just ends: check what comes out. */
export async function* decompress(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const source = new ByteSource(chunks);
  try {
    const kind = detectCompression(await source.peek(4));
    if (kind === "none") yield* source.rest();
    else yield* through(openDecoder(kind), source.rest());
  } finally {
    await source.close();
  }
}

/** The stream as gzip. */
export function compressGzip(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return through(process.getBuiltinModule("node:zlib").createGzip(), chunks);
}

function openDecoder(kind: "gzip" | "zstd"): Duplex {
  const zlib = process.getBuiltinModule("node:zlib");
  if (kind === "gzip") return zlib.createGunzip();
  if (typeof zlib.createZstdDecompress === "function") return zlib.createZstdDecompress();
  throw new ContainerdError({
    code: "unimplemented",
    what: "cannot read zstd archive",
    why: "this version of Node has no zstd",
    fix: "decompress it with zstd -d first, or use Node 22.15 or later",
  });
}

/** Runs a stream through a codec; its errors become ours. */
async function* through(codec: Duplex, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const { pipeline, Readable } = process.getBuiltinModule("node:stream");
  let sourceError: unknown;
  const watched = async function* () {
    try {
      yield* chunks;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  };
  // The reading side below tells the error; the callback only keeps it from being unhandled.
  pipeline(Readable.from(watched()), codec, () => undefined);
  try {
    for await (const chunk of codec) yield chunk;
  } catch (cause) {
    if (sourceError !== undefined) throw sourceError;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerdError({ code: "invalid_argument", what: "cannot decompress archive", why, cause });
  }
}
