import { expect, test } from "bun:test";
import { type Digest, parseDigest, readBlob } from "@ctr/oci";
import { readOnce } from "./read-once.ts";

const digest = parseDigest(`sha256:${"a".repeat(64)}`);
const { signal } = new AbortController();

test("readOnce() reads a document once, for readers side by side and for later ones", async () => {
  const asked: Digest[] = [];
  const documents = readOnce(
    {
      async documents(digests) {
        asked.push(...digests);
        return new Map(digests.map((each) => [each, new TextEncoder().encode("one document")]));
      },
    },
    signal,
  );
  const both = await Promise.all([readBlob(documents, digest, { signal }), readBlob(documents, digest, { signal })]);
  const later = await readBlob(documents, digest, { signal });
  for (const bytes of [...both, later]) expect(new TextDecoder().decode(bytes)).toBe("one document");
  expect(asked).toEqual([digest]);
});

test("readOnce() fails with what reading a document failed with", async () => {
  const fault = new Error("not found");
  const documents = readOnce({ documents: async () => new Map([[digest, { fault }]]) }, signal);
  await expect(readBlob(documents, digest, { signal })).rejects.toBe(fault);
});
