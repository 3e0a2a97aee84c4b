import { expect, test } from "bun:test";
import { chmodSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Digest, digestOf } from "@ctr/oci";
import type { Store } from "../store/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { replaceBlob } from "./replace.ts";
import { EngineContent } from "./store.ts";

const cancel = { signal: new AbortController().signal };
const good = new TextEncoder().encode("good bytes");

async function damagedBlob(store: Store): Promise<{ readonly content: EngineContent; readonly digest: Digest }> {
  const content = new EngineContent(store, { namespace: "default", lease: undefined });
  await using writer = await content.writer("ref", cancel);
  await writer.write(good, cancel);
  const digest = await writer.commit({}, cancel);
  chmodSync(content.pathOf(digest), 0o644);
  writeFileSync(content.pathOf(digest), "bad bytes!");
  return { content, digest };
}

async function* chunksOf(...texts: readonly string[]) {
  for (const text of texts) yield new TextEncoder().encode(text);
}

test("replaceBlob() puts the right bytes in a damaged blob's place", async () => {
  using store = openTestStore();
  const { content, digest } = await damagedBlob(store);
  await replaceBlob(store, digest, chunksOf("good ", "bytes"), cancel);
  expect(await Bun.file(content.pathOf(digest)).text()).toBe("good bytes");
  expect(statSync(content.pathOf(digest)).mode & 0o777).toBe(0o444);
});

test("replaceBlob() leaves what is there when the source has other bytes, and no debris", async () => {
  using store = openTestStore();
  const { content, digest } = await damagedBlob(store);
  const replace = replaceBlob(store, digest, chunksOf("other"), cancel);
  await expect(replace).rejects.toMatchObject({ code: "data_loss" });
  expect(await Bun.file(content.pathOf(digest)).text()).toBe("bad bytes!");
  expect(readdirSync(join(store.root, "trash"))).toEqual([]);
  expect(digest).toBe(digestOf(good));
});
