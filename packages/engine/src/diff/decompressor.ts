import type { Duplex } from "node:stream";
import { ContainerdError } from "@ctr/api";
import { detectCompression } from "@ctr/oci";
import { ZstdFrames } from "./zstd-frames.ts";

/** Bytes that come out of a codec at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** Chunks the codec's thread may be ahead. */
const AHEAD = 4;
const MAGIC_BYTES = 4;
/** Largest layer that is inflated at once, compressed. */
const SMALL_BYTES = 128 * 1024;

/**
 * The stream without its compression, which its first bytes tell, in large chunks: `decompress` of `@ctr/oci` does the
 * same in small ones, which costs a layer a third of its speed. Throws when the stream is cut short or broken.
 */
export async function* decompressLayer(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    let start = Buffer.alloc(0);
    while (start.byteLength < MAGIC_BYTES) {
      const next = await source.next();
      if (next.done === true) break;
      start = Buffer.concat([start, next.value]);
    }
    const kind = detectCompression(start);
    if (kind === "gzip") {
      const next = await source.next();
      const whole = next.done === true ? inflateSmall(start) : undefined;
      if (whole !== undefined) yield whole;
      else yield* decode(openDecoder(kind), asBuffers(start, source, next));
    } else if (kind === "none") yield* asBuffers(start, source);
    else yield* decode(openDecoder(kind), wholeFrames(asBuffers(start, source)));
  } finally {
    // Not awaited: it may be waiting for bytes that nobody wants any more.
    source.return?.().catch(() => undefined);
  }
}

/** `start`, what was read after it, and the rest. */
async function* asBuffers(
  start: Buffer,
  source: AsyncIterator<Uint8Array>,
  second?: IteratorResult<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  if (start.byteLength > 0) yield start;
  for (let next = second ?? (await source.next()); next.done !== true; next = await source.next()) {
    yield asBuffer(next.value);
  }
}

/**
 * A small layer at once, in this thread: a codec of its own and the way to its thread take longer. `undefined` for one that
 * is not small, or broken: its codec tells what is wrong.
 */
function inflateSmall(whole: Buffer): Buffer | undefined {
  if (whole.byteLength > SMALL_BYTES) return undefined;
  try {
    return process.getBuiltinModule("node:zlib").gunzipSync(whole, { maxOutputLength: CHUNK_BYTES });
  } catch {
    return undefined;
  }
}

/** The same bytes as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The stream, which has to end where a frame does: the decoder does not look. */
async function* wholeFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const frames = new ZstdFrames();
  for await (const chunk of chunks) {
    frames.push(chunk);
    yield chunk;
  }
  if (!frames.complete) {
    throw new ContainerdError({ code: "unknown", what: "cannot decompress layer", why: "unexpected EOF" });
  }
}

function openDecoder(kind: "gzip" | "zstd"): Duplex {
  const zlib = process.getBuiltinModule("node:zlib");
  const options = { chunkSize: CHUNK_BYTES, readableHighWaterMark: AHEAD * CHUNK_BYTES };
  return kind === "gzip" ? zlib.createGunzip(options) : zlib.createZstdDecompress(options);
}

async function* decode(codec: Duplex, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let sourceError: unknown;
  const fed = feed(codec, chunks).catch((error: unknown) => {
    sourceError = error;
    codec.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of codec) yield chunk;
  } catch (cause) {
    if (sourceError !== undefined) throw sourceError;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ContainerdError({ code: "unknown", what: "cannot decompress layer", why, cause });
  } finally {
    codec.destroy();
  }
  await fed;
}

/** Writes everything into the codec, waiting while it is full; stops when nobody reads it any more. */
async function feed(codec: Duplex, chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) {
    if (codec.destroyed) return;
    if (!codec.write(chunk)) await drained(codec);
  }
  codec.end();
}

function drained(codec: Duplex): Promise<void> {
  if (codec.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close"]) codec.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close"]) codec.on(event, done);
  });
}
