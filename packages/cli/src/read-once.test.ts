import { expect, test } from "bun:test";
import type { RemoteContentStore } from "@ctr/client";
import { type Digest, parseDigest, readBlob } from "@ctr/oci";
import { readOnce } from "./read-once.ts";

const digest = parseDigest(`sha256:${"a".repeat(64)}`);
const { signal } = new AbortController();

test("readOnce() reads a blob once, for readers side by side and for later ones", async () => {
  const asked: Digest[] = [];
  const content: Pick<RemoteContentStore, "read"> = {
    async *read(of) {
      asked.push(of);
      yield new TextEncoder().encode("one ");
      yield new TextEncoder().encode("document");
    },
  };
  // Of a content store, readOnce() uses `read` alone.
  const documents = readOnce(content as RemoteContentStore, signal);
  const both = await Promise.all([readBlob(documents, digest, { signal }), readBlob(documents, digest, { signal })]);
  const later = await readBlob(documents, digest, { signal });
  for (const bytes of [...both, later]) expect(new TextDecoder().decode(bytes)).toBe("one document");
  expect(asked).toEqual([digest]);
});
