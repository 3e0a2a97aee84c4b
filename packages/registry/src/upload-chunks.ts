import type { HttpResponse, RequestBody } from "./http/message.ts";
import { unexpectedStatus } from "./status.ts";
import { uploadLocation } from "./upload-url.ts";

/** First and largest piece, in bytes: below the 100 MB that usual proxies take. */
const MAX_CHUNK_BYTES = 32n * 1024n * 1024n;
/** Smallest piece that is tried, in bytes. */
const MIN_CHUNK_BYTES = 64n * 1024n;
/** Answers in a row that say a piece is out of place, before that is believed. */
const MAX_MISPLACED = 3;

/** A blob to be sent in pieces. */
export interface ChunkedUpload {
  /** Bytes. */
  readonly size: bigint;
  /** The blob's bytes from an offset on; called for each try of each piece. */
  read(from: bigint): AsyncIterable<Uint8Array>;
  /** Sends one request of the upload. */
  send(method: string, url: URL, more: ChunkRequest): Promise<HttpResponse>;
}

export interface ChunkRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

/**
 * Sends a blob by PATCH and returns the URL that ends the upload: for registries behind a proxy that refuses it whole.
 * A piece that is still too large is halved; one that is out of place is sent from where the registry says it is.
 * Distribution spec, "Pushing a blob in chunks".
 */
export async function sendChunks(upload: ChunkedUpload, session: HttpResponse): Promise<URL> {
  let location = uploadLocation(session);
  let length = firstLength(upload.size, session);
  let offset = 0n;
  let misplaced = 0;
  while (offset < upload.size) {
    const end = offset + length < upload.size ? offset + length : upload.size;
    await using answer = await sendChunk(upload, location, { offset, end });
    if (answer.status === 413 && length > MIN_CHUNK_BYTES) {
      length = length / 2n;
      continue;
    }
    if (answer.status === 416 && ++misplaced < MAX_MISPLACED) {
      const held = heldBytes(answer);
      if (held === undefined) throw await unexpectedStatus(answer, "PATCH");
      offset = held;
      continue;
    }
    if (![200, 202, 204].includes(answer.status)) throw await unexpectedStatus(answer, "PATCH");
    misplaced = 0;
    location = uploadLocation(answer);
    offset = end;
  }
  return location;
}

/** Half of what was refused, no less than the registry asks for. */
function firstLength(size: bigint, session: HttpResponse): bigint {
  const text = session.headers.get("OCI-Chunk-Min-Length");
  const least = /^\d{1,12}$/.test(text) ? BigInt(text) : 1n;
  const half = size / 2n < MAX_CHUNK_BYTES ? size / 2n : MAX_CHUNK_BYTES;
  return half > least ? half : least;
}

function sendChunk(
  upload: ChunkedUpload,
  location: URL,
  { offset, end }: { readonly offset: bigint; readonly end: bigint },
): Promise<HttpResponse> {
  const headers = { "Content-Type": "application/octet-stream", "Content-Range": `${offset}-${end - 1n}` };
  const length = end - offset;
  return upload.send("PATCH", location, {
    headers,
    body: { length, open: () => firstBytes(upload.read(offset), length) },
  });
}

/** The Range of an answer, `0-<last byte held>`, as a number of bytes. */
function heldBytes(answer: HttpResponse): bigint | undefined {
  const last = /^(?:bytes=)?0-(\d{1,18})$/.exec(answer.headers.get("Range"))?.[1];
  return last === undefined ? undefined : BigInt(last) + 1n;
}

async function* firstBytes(
  bytes: AsyncIterable<Uint8Array>,
  count: bigint,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = count;
  for await (const chunk of bytes) {
    const part = left < BigInt(chunk.byteLength) ? chunk.subarray(0, Number(left)) : chunk;
    left -= BigInt(part.byteLength);
    if (part.byteLength > 0) yield part;
    if (left === 0n) return;
  }
}
