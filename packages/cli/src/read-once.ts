import type { RemoteContentStore } from "@ctr/client";
import { type ContentProvider, collectBytes, type Digest } from "@ctr/oci";

/** As large as any manifest or configuration gets. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/**
 * Small blobs of `content`, each read once however often it is asked for, and without asking for its size first: one
 * round trip to the daemon instead of two.
 */
export function readOnce(content: RemoteContentStore, signal: AbortSignal): ContentProvider {
  const reads = new Map<Digest, Promise<Uint8Array>>();
  const read = (digest: Digest) => {
    const begun = reads.get(digest) ?? collectBytes(content.read(digest, undefined, { signal }), MAX_DOCUMENT_BYTES);
    reads.set(digest, begun);
    return begun;
  };
  return {
    async readerAt(digest) {
      const bytes = await read(digest);
      return {
        size: BigInt(bytes.byteLength),
        async *stream({ offset, length }) {
          yield bytes.subarray(Number(offset), Number(offset + length));
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}
