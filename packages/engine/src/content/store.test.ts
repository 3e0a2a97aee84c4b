import { expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { digestOf, parseDigest } from "@ctr/oci";
import fc from "fast-check";
import { createLease, listLeaseResources } from "../metadata/leases.ts";
import type { Store } from "../store/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { readDocuments } from "./documents.ts";
import { findIngest } from "./ingests.ts";
import { contentLayout } from "./layout.ts";
import { EngineContent } from "./store.ts";
import { sweepContent } from "./sweep.ts";

const { signal } = new AbortController();
const cancel = { signal };
const bytes = (text: string) => new TextEncoder().encode(text);
const layer = bytes("layer");

const contentOf = (store: Store, namespace = "default", lease?: string) =>
  new EngineContent(store, { namespace, lease });

async function put(content: EngineContent, data: Uint8Array, ref = "ref-1") {
  await using writer = await content.writer(ref, cancel);
  await writer.write(data, cancel);
  return await writer.commit({}, cancel);
}

async function readAll(content: EngineContent, digest: ReturnType<typeof digestOf>, offset = 0n, length = 0n) {
  await using blob = await content.readerAt(digest);
  return Buffer.concat(await Array.fromAsync(blob.stream({ offset, length }, cancel)));
}

test("writer() hides a blob until it is committed", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  await using writer = await content.writer("ref-1", cancel);
  await writer.write(layer, cancel);
  await expect(content.info(digestOf(layer))).rejects.toMatchObject({ code: "not_found" });
  expect((await content.statuses([])).map(({ ref, offset }) => [ref, offset])).toEqual([["ref-1", 5n]]);
});

test("R24: a digest in the database that is a path becomes no file name", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const digest = await put(content, layer);
  const path = "sha256:../../../../etc/passwd";
  store.db.write((tx) => tx.run("UPDATE blobs SET digest = ? WHERE digest = ?", path, digest));
  await expect(Array.fromAsync(content.walk([], cancel))).rejects.toThrow(/^cannot read digest/);
});

test("a large blob that is left while it is brought to disk goes on where it was", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const half = new Uint8Array(65 * 1024 * 1024).fill(7);
  {
    await using writer = await content.writer("ref-1", cancel);
    await writer.write(half, cancel);
  }
  await using writer = await content.writer("ref-1", cancel);
  expect(writer.offset).toBe(BigInt(half.byteLength));
  await writer.write(half, cancel);
  expect(await writer.commit({}, cancel)).toBe(digestOf(Buffer.concat([half, half])));
});

test("commit() names the bytes however they were chunked, and forgets the ingest", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array(), { maxLength: 8 }), async (chunks) => {
      using store = openTestStore();
      const content = contentOf(store);
      await using writer = await content.writer("ref-1", cancel);
      for (const chunk of chunks) await writer.write(chunk, cancel);
      const digest = await writer.commit({}, cancel);
      expect(digest).toBe(digestOf(Buffer.concat(chunks)));
      expect(await readAll(content, digest)).toEqual(Buffer.concat(chunks));
      expect(await content.statuses([])).toEqual([]);
      expect(readdirSync(contentLayout(store).ingest)).toEqual([]);
    }),
    { numRuns: 20 },
  );
});

test("commit() leaves a file nobody may write, where containerd would look for it", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const digest = await put(content, layer);
  expect(statSync(content.pathOf(digest)).mode & 0o777).toBe(0o444);
  expect(content.pathOf(digest)).toEndWith(`/io.containerd.content.v1.content/blobs/sha256/${digest.slice(7)}`);
});

test("writer() goes on where another stopped", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  {
    await using writer = await content.writer("ref-1", cancel);
    await writer.write(layer.subarray(0, 2), cancel);
  }
  await using writer = await content.writer("ref-1", cancel);
  expect(writer.offset).toBe(2n);
  await writer.write(layer.subarray(2), cancel);
  expect(await writer.commit({ expected: digestOf(layer), size: 5n }, cancel)).toBe(digestOf(layer));
});

test("writer() refuses a ref that another writer holds, until that one is closed", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  {
    await using _writer = await content.writer("ref-1", cancel);
    await expect(content.writer("ref-1", cancel)).rejects.toMatchObject({ code: "unavailable" });
  }
  await using again = await content.writer("ref-1", cancel);
  expect(again.offset).toBe(0n);
});

test("commit() refuses a wrong size and a wrong digest, and the ingest stays", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  await using writer = await content.writer("ref-1", cancel);
  await writer.write(layer, cancel);
  const refused = { code: "failed_precondition" };
  await expect(writer.commit({ size: 6n }, cancel)).rejects.toMatchObject(refused);
  await expect(writer.commit({ expected: digestOf(bytes("other")) }, cancel)).rejects.toMatchObject(refused);
  expect((await content.status("ref-1")).offset).toBe(5n);
});

test("commit() takes a sha512 digest by reading the bytes again", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const expected = parseDigest(`sha512:${new Bun.CryptoHasher("sha512").update(layer).digest("hex")}`);
  await using writer = await content.writer("ref-1", cancel);
  await writer.write(layer, cancel);
  expect(await writer.commit({ expected }, cancel)).toBe(expected);
  expect(await readAll(content, expected)).toEqual(Buffer.from(layer));
});

test("commit() of bytes that are there answers already_exists", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  await put(content, layer);
  await expect(put(content, layer, "ref-2")).rejects.toMatchObject({ code: "already_exists" });
  const expected = digestOf(layer);
  await expect(content.writer("ref-3", { ...cancel, expected })).rejects.toMatchObject({ code: "already_exists" });
});

test("commit() fails after the ingest was aborted, and leaves no blob", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  await using writer = await content.writer("ref-1", cancel);
  await writer.write(layer, cancel);
  await content.abort("ref-1");
  await expect(writer.commit({}, cancel)).rejects.toThrow();
  expect(await content.has(digestOf(layer))).toBe(false);
  await expect(content.abort("ref-1")).rejects.toMatchObject({ code: "not_found" });
});

test("another namespace gets bytes that are there without writing them", async () => {
  using store = openTestStore();
  const digest = await put(contentOf(store, "one"), layer);
  const other = contentOf(store, "two");
  await expect(other.info(digest)).rejects.toMatchObject({ code: "not_found" });
  {
    await using writer = await other.writer("ref-1", { ...cancel, expected: digest, size: 5n });
    expect(writer.offset).toBe(5n);
    expect(await other.status("ref-1")).toMatchObject({ offset: 5n, total: 5n, expected: digest });
    await writer.commit({ expected: digest, size: 5n, labels: { a: "b" } }, cancel);
  }
  expect((await other.info(digest)).labels).toEqual({ a: "b" });
  expect((await contentOf(store, "one").info(digest)).labels).toEqual({});
});

test.each([
  ["begun anew", true, "bytes"],
  ["written on", false, "layerbytes"],
])("a writer at bytes of another namespace that is %s has an ingest of its own", async (_how, anew, text) => {
  using store = openTestStore();
  const digest = await put(contentOf(store, "one"), layer);
  const other = contentOf(store, "two");
  await using writer = await other.writer("ref-1", { ...cancel, expected: digest });
  if (anew) await writer.truncate(0n, cancel);
  await writer.write(bytes("bytes"), cancel);
  expect(await writer.commit({}, cancel)).toBe(digestOf(bytes(text)));
  expect((await readAll(contentOf(store, "one"), digest)).toString()).toBe("layer");
});

test("a lease gets the ingest while it is written, and then the blob", async () => {
  using store = openTestStore();
  store.db.write((tx) => createLease(store, tx, "default", { id: "l", labels: {}, owner: "" }));
  const content = contentOf(store, "default", "l");
  const kept = () => store.db.read((tx) => listLeaseResources(tx, "default", "l"));
  await using writer = await content.writer("ref-1", cancel);
  expect(kept()).toEqual([{ type: "ingests", id: "ref-1" }]);
  const digest = await writer.commit({}, cancel);
  expect(kept()).toEqual([{ type: "content", id: digest }]);
});

test("writer() under an unknown lease fails and leaves no ingest", async () => {
  using store = openTestStore();
  await expect(contentOf(store, "default", "nope").writer("ref-1", cancel)).rejects.toMatchObject({
    code: "not_found",
  });
  expect(store.db.read((tx) => findIngest(tx, "default", "ref-1"))).toBeUndefined();
});

test("setLabels() adds, changes and deletes labels and leaves the others", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const digest = await put(content, layer);
  await content.setLabels(digest, { a: "1", b: "2" });
  const info = await content.setLabels(digest, { b: "", c: "3" });
  expect(info.labels).toEqual({ a: "1", c: "3" });
});

test("readerAt() reads a range, and says so when the file is gone", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const digest = await put(content, layer);
  expect((await readAll(content, digest, 1n, 3n)).toString()).toBe("aye");
  expect((await readAll(content, digest, 3n, 99n)).toString()).toBe("er");
  await Bun.file(content.pathOf(digest)).delete();
  await expect(content.readerAt(digest)).rejects.toMatchObject({ code: "data_loss" });
});

test.each([
  ["shorter", "lay", "3"],
  ["longer", "layers", "6"],
  ["empty", "", "0"],
])("C8: readerAt() refuses a file that is %s than its record says", async (_how, text, size) => {
  using store = openTestStore();
  const content = contentOf(store);
  const digest = await put(content, layer);
  await Bun.file(content.pathOf(digest)).delete();
  await Bun.write(content.pathOf(digest), text);
  await expect(content.readerAt(digest)).rejects.toMatchObject({
    code: "data_loss",
    why: `it has ${size} bytes, its record says 5`,
  });
});

test("sweepContent() takes what no row names and leaves the rest", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const kept = await put(content, layer);
  const dropped = await put(content, bytes("dropped"), "ref-2");
  await using _writer = await content.writer("ref-3", cancel);
  await content.delete(dropped);
  sweepContent(store);
  expect(existsSync(content.pathOf(kept))).toBe(true);
  expect(existsSync(content.pathOf(dropped))).toBe(false);
  expect(readdirSync(contentLayout(store).ingest)).toHaveLength(1);
});

test("walk() passes filters and goes by digest", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const digests = [await put(content, bytes("a"), "a"), await put(content, bytes("b"), "b")];
  await content.setLabels(digests[0] as (typeof digests)[0], { kind: "x" });
  const all = await Array.fromAsync(content.walk([], cancel));
  expect(all.map((info) => info.digest)).toEqual(digests.toSorted());
  expect((await Array.fromAsync(content.walk(["labels.kind==x"], cancel))).map((info) => info.digest)).toEqual([
    digests[0] as (typeof digests)[0],
  ]);
});

test("readDocuments() gives small blobs whole and tells of those that are missing, and leaves it to others when one is neither", async () => {
  using store = openTestStore();
  const content = contentOf(store);
  const large = new Uint8Array(70_000);
  for (const data of [layer, large]) await put(content, data);
  const other = await put(contentOf(store, "other"), bytes("other"));
  const found = readDocuments(store, "default", [digestOf(layer), other]);
  expect(found?.get(digestOf(layer))).toEqual(layer);
  expect(found?.get(other)).toMatchObject({ fault: { code: "not_found", message: expect.stringContaining(other) } });
  const damaged = await put(content, bytes("damaged"));
  chmodSync(content.pathOf(damaged), 0o600);
  writeFileSync(content.pathOf(damaged), "longer than it was");
  const gone = await put(content, bytes("gone"));
  rmSync(content.pathOf(gone));
  for (const bad of [digestOf(large), damaged, gone]) {
    expect(readDocuments(store, "default", [digestOf(layer), bad])).toBeUndefined();
  }
  expect(() => readDocuments(store, "../x", [])).toThrow(/namespace/);
});
