import type { RemoteContentStore } from "@ctr/client";
import type { ContentProvider, Digest } from "@ctr/oci";

/**
 * Documents of `content`, each read once however often it is asked for, and without asking for its size first: one round
 * trip to the daemon instead of two.
 */
export function readOnce(content: Pick<RemoteContentStore, "documents">, signal: AbortSignal): ContentProvider {
  const reads = new Map<Digest, Promise<Uint8Array>>();
  const read = (digest: Digest) => {
    const begun = reads.get(digest) ?? readDocument(content, digest, signal);
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

async function readDocument(
  content: Pick<RemoteContentStore, "documents">,
  digest: Digest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const document = (await content.documents([digest], { signal })).get(digest);
  if (document instanceof Uint8Array) return document;
  throw document?.fault;
}
