import { ContainerdError, hasCode } from "@ctr/api";
import type { BlobWriter, Cancel, ContentIngester, ContentProvider, Labels } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";

/** Largest manifest, index or config that is read into memory, in bytes (R12). */
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** The whole of a small blob. Throws `not_found`, or `resource_exhausted` past `MAX_DOCUMENT_BYTES`. */
export async function readBlob(provider: ContentProvider, digest: Digest, options: Cancel): Promise<Uint8Array> {
  await using blob = await provider.readerAt(digest, options);
  if (blob.size > BigInt(MAX_DOCUMENT_BYTES)) throw tooLarge(digest, blob.size);
  const bytes = new Uint8Array(Number(blob.size));
  let offset = 0;
  for await (const chunk of blob.stream({ offset: 0n, length: blob.size }, options)) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  if (offset === bytes.byteLength) return bytes;
  throw new ContainerdError({
    code: "data_loss",
    what: "cannot read blob",
    where: { digest },
    why: `got ${offset} bytes, expected ${blob.size}`,
  });
}

function tooLarge(digest: Digest, size: bigint): ContainerdError {
  const why = `it is ${size} bytes, at most ${MAX_DOCUMENT_BYTES} are read`;
  return new ContainerdError({ code: "resource_exhausted", what: "cannot read document", where: { digest }, why });
}

/** All of `chunks` as one array. Throws `resource_exhausted` past `maxBytes`. */
export async function collectBytes(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > maxBytes) {
      const why = `more than ${maxBytes} bytes`;
      throw new ContainerdError({ code: "resource_exhausted", what: "cannot read document", why });
    }
    parts.push(chunk);
  }
  return concatBytes(parts);
}

/** One array out of many. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

export interface WriteBlobOptions extends Cancel {
  readonly labels?: Labels;
}

/** Stores bytes that are all there under `descriptor`'s digest; success when they are there already. */
export async function writeBlob(
  store: ContentIngester,
  blob: { readonly ref: string; readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  options: WriteBlobOptions,
): Promise<void> {
  const { signal } = options;
  const expected = { expected: blob.descriptor.digest, size: blob.descriptor.size };
  try {
    await using writer = await openWriter(store, blob.ref, { signal, ...expected });
    if (writer.offset !== blob.descriptor.size) {
      if (writer.offset > 0n) await writer.truncate(0n, { signal });
      await writer.write(blob.bytes, { signal });
    }
    await writer.commit(
      { ...expected, ...(options.labels === undefined ? {} : { labels: options.labels }) },
      { signal },
    );
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
}

/** First and longest wait between tries for a ref that another writer holds, in milliseconds; as containerd's client. */
const LOCK_WAIT_MS = { first: 16, longest: 2048 };

/** Opens an ingest, waiting while another writer holds its ref. */
export async function openWriter(
  store: ContentIngester,
  ref: string,
  options: Cancel & { readonly expected?: Digest; readonly size?: bigint },
): Promise<BlobWriter> {
  for (let waitMs = LOCK_WAIT_MS.first; ; waitMs = Math.min(waitMs * 2, LOCK_WAIT_MS.longest)) {
    try {
      return await store.writer(ref, options);
    } catch (error) {
      if (!hasCode(error, "unavailable") || !error.message.includes("locked")) throw error;
    }
    await pause(Math.random() * waitMs, options.signal);
  }
}

/** Waits, or throws the signal's reason. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
