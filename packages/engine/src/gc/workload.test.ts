import { expect, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { contentLayout, ingestDir } from "../content/layout.ts";
import { EngineContent } from "../content/store.ts";
import { sweepContent } from "../content/sweep.ts";
import type { Store } from "../store/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { collect } from "./collect.ts";

const { signal } = new AbortController();

/**
 * Fetches blobs as a pull does: under a lease of its own, a parent that names its child last, then an image, then the
 * lease goes. At every step what it has must be there, bytes and all.
 */
const puller = `
  import { digestOf } from ${JSON.stringify(import.meta.resolve("@ctr/oci"))};
  import { processIdentity } from ${JSON.stringify(import.meta.resolve("@ctr/sys"))};
  import { EngineContent } from ${JSON.stringify(import.meta.resolve("../content/store.ts"))};
  import { createImage, deleteImage } from ${JSON.stringify(import.meta.resolve("../metadata/images.ts"))};
  import { createLease, deleteLease } from ${JSON.stringify(import.meta.resolve("../metadata/leases.ts"))};
  import { openStore } from ${JSON.stringify(import.meta.resolve("../store/store.ts"))};
  const [root, stateParent, name, count] = process.argv.slice(-4);
  const { signal } = new AbortController();
  using store = openStore(root, { stateParent });
  for (let round = 0; round < Number(count); round++) {
    const lease = name + round;
    const scope = { namespace: "ns", lease };
    store.db.write((tx) => createLease(store, tx, "ns", { id: lease, labels: {}, owner: processIdentity() }));
    const content = new EngineContent(store, scope);
    // Rounds of the two pullers are about the same bytes, so that one lets go of what the other wants.
    const put = async (text, labels) => {
      const bytes = new TextEncoder().encode(text + (round % 5));
      const digest = digestOf(bytes);
      try {
        await using writer = await content.writer(name + "-" + digest, { signal, expected: digest, size: BigInt(bytes.length) });
        if (writer.offset === 0n) await writer.write(bytes, { signal });
        await writer.commit({ labels }, { signal });
      } catch (error) {
        if (error.code !== "already_exists") throw error;
        await content.setLabels(digest, labels, { signal });
      }
      return digest;
    };
    const read = async (digest) => {
      await using blob = await content.readerAt(digest, { signal });
      for await (const _chunk of blob.stream({ offset: 0n, length: 0n }, { signal }));
    };
    const child = await put("child", {});
    const parent = await put("parent", { "containerd.io/gc.ref.content.0": child });
    const target = { mediaType: "x", digest: parent, size: 1n };
    store.db.write((tx) => createImage(store, tx, scope, { name: lease, target, labels: {} }));
    store.db.write((tx) => deleteLease(tx, "ns", lease));
    await read(parent);
    await read(child);
    store.db.write((tx) => deleteImage(store, tx, "ns", lease));
  }`;

test("C6: collect() takes nothing that a lease or an image holds while others fetch, and leaves nothing behind", async () => {
  using store = openTestStore();
  const spawn = (name: string) =>
    Bun.spawn([process.execPath, "-e", puller, store.root, dirname(store.state), name, "25"], { stderr: "pipe" });
  const pullers = [spawn("a"), spawn("b")];
  const faults = Promise.all(pullers.map((child) => new Response(child.stderr).text()));
  let running = true;
  const ended = Promise.all(pullers.map((child) => child.exited)).finally(() => {
    running = false;
  });
  for (; running; ) await collect(store, { signal });
  expect(await faults).toEqual(["", ""]);
  expect(await ended).toEqual([0, 0]);
  await collect(store, { signal });
  const content = new EngineContent(store, { namespace: "ns", lease: undefined });
  expect(await Array.fromAsync(content.walk([], { signal }))).toEqual([]);
  const files = await Array.fromAsync(new Bun.Glob("io.containerd.content.v1.content/**/*").scan(store.root));
  expect(files).toEqual([]);
}, 30_000);

test("sweepContent() leaves alone an ingest that begins as soon as it has read the rows", () => {
  using store = openTestStore();
  const dir = ingestDir(contentLayout(store), { namespace: "ns", id: 1n, ref: "r" });
  const read: Store["db"]["read"] = (work) => {
    const result = store.db.read(work);
    const sql = "INSERT INTO ingests (id, namespace, ref, started_at, updated_at) VALUES (1, 'ns', 'r', 0, 0)";
    store.db.write((tx) => tx.run(sql));
    mkdirSync(dir, { recursive: true });
    return result;
  };
  // The sweep calls nothing else of the database.
  sweepContent({ ...store, db: { read } as Store["db"] });
  expect(existsSync(dir)).toBe(true);
});
