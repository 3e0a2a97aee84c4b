import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "@ctr/client";
import { digestOf, readBlob } from "@ctr/oci";
import { openStage, type Stage } from "./setup.ts";

const { signal } = new AbortController();
let stage: Stage;

beforeAll(async () => {
  stage = await openStage("stores");
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

function patterned(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_byte, index) => (index * 31 + seed) % 251);
}

test("writer() resumes where the last one stopped, and a blob cannot be written twice", async () => {
  await using lease = await stage.client.leases.hold();
  const { content } = lease.client;
  const bytes = patterned(3_000_000, 1);
  const expected = digestOf(bytes);
  const size = BigInt(bytes.byteLength);
  {
    await using writer = await content.writer("r1", { expected, size });
    await writer.write(bytes.subarray(0, 1_500_000));
  }
  expect(await content.status("r1")).toMatchObject({ ref: "r1", offset: 1_500_000n, total: size });
  await expect(content.info(expected)).rejects.toMatchObject({ code: "not_found" });
  await using writer = await content.writer("r1", { expected, size });
  expect(writer.offset).toBe(1_500_000n);
  await writer.write(bytes.subarray(1_500_000));
  expect(await writer.commit({ labels: { a: "b" } })).toBe(expected);
  expect(await content.info(expected)).toMatchObject({ size, labels: { a: "b" } });
  await expect(content.writer("r2", { expected, size })).rejects.toMatchObject({ code: "already_exists" });
  expect(digestOf(await readBlob(content, expected, { signal }))).toBe(expected);
});

test("writer() is refused while another one holds the ref, and gets it once that one is disposed", async () => {
  const { content } = stage.client;
  const first = await content.writer("held");
  await expect(content.writer("held")).rejects.toMatchObject({ code: "unavailable" });
  await first[Symbol.asyncDispose]();
  await using second = await content.writer("held");
  expect(second.offset).toBe(0n);
  await second[Symbol.asyncDispose]();
  await content.abort("held");
  expect(await content.statuses()).toEqual([]);
});

test("commit() refuses wrong bytes and keeps them, truncate() drops them", async () => {
  await using lease = await stage.client.leases.hold();
  const { content } = lease.client;
  const expected = digestOf(patterned(1000, 2));
  await using writer = await content.writer("wrong");
  await writer.write(patterned(1000, 3));
  await expect(writer.commit({ expected, size: 1000n })).rejects.toMatchObject({ code: "failed_precondition" });
  await writer[Symbol.asyncDispose]();
  await using again = await content.writer("wrong");
  expect(again.offset).toBe(1000n);
  await again.truncate(0n);
  expect(again.offset).toBe(0n);
  await again.write(patterned(1000, 2));
  expect(await again.commit({ expected, size: 1000n })).toBe(expected);
});

test("write() may be called before the last one has settled", async () => {
  await using lease = await stage.client.leases.hold();
  const chunks = [3_000_000, 1, 2_000_000, 500_000].map(patterned);
  const expected = digestOf(Buffer.concat(chunks));
  await using writer = await lease.client.content.writer("ahead", { expected });
  await Promise.all(chunks.map((chunk) => writer.write(chunk)));
  expect(writer.offset).toBe(5_500_001n);
  expect(await writer.commit({})).toBe(expected);
});

test("read() gives the range asked for", async () => {
  await using lease = await stage.client.leases.hold();
  const bytes = patterned(2_500_000, 4);
  const digest = digestOf(bytes);
  {
    await using writer = await lease.client.content.writer("range", { expected: digest });
    await writer.write(bytes);
    await writer.commit({});
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of lease.client.content.read(digest, { offset: 10n, length: 2_000_000n })) chunks.push(chunk);
  expect(chunks.every((chunk) => chunk.byteLength <= 1024 * 1024)).toBe(true);
  expect(Buffer.concat(chunks).equals(bytes.subarray(10, 2_000_010))).toBe(true);
});

test("setLabels() leaves other labels alone, on blobs, namespaces and images", async () => {
  const { client } = stage;
  await using lease = await client.leases.hold();
  const bytes = patterned(10, 5);
  const digest = digestOf(bytes);
  {
    await using writer = await lease.client.content.writer("labels", { expected: digest });
    await writer.write(bytes);
    await writer.commit({ labels: { keep: "1", drop: "2" } });
  }
  expect((await client.content.setLabels(digest, { drop: "", more: "3" })).labels).toEqual({ keep: "1", more: "3" });
  await client.namespaces.create("labelled", { keep: "1" });
  await client.namespaces.setLabels("labelled", { more: "2" });
  expect((await client.namespaces.get("labelled")).labels).toEqual({ keep: "1", more: "2" });
  await client.namespaces.delete("labelled");
  const target = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 10n };
  const image = await lease.client.images.put({ name: "some/image:1", target, labels: { keep: "1" } });
  expect(image.createdAt).toBeDefined();
  expect((await client.images.setLabels("some/image:1", { more: "2" })).labels).toEqual({ keep: "1", more: "2" });
  expect((await client.images.get("some/image:1")).target).toEqual(target);
  await client.images.delete("some/image:1", { sync: true });
  await expect(client.images.get("some/image:1")).rejects.toMatchObject({ code: "not_found" });
});

test("hold() keeps what is made through its client, and lets it go when disposed", async () => {
  const { client } = stage;
  const bytes = patterned(64, 6);
  const digest = digestOf(bytes);
  const lease = await client.leases.hold({ expiresMs: 60_000 });
  await using writer = await lease.client.content.writer("leased", { expected: digest });
  await writer.write(bytes);
  await writer.commit({});
  expect(await client.leases.resources(lease.id)).toEqual([{ type: "content", id: digest }]);
  await client.leases.delete((await client.leases.create({})).id, { sync: true });
  await client.content.info(digest);
  await lease[Symbol.asyncDispose]();
  await client.leases.delete((await client.leases.create({})).id, { sync: true });
  await expect(client.content.info(digest)).rejects.toMatchObject({ code: "not_found" });
});

test("snapshots are prepared, committed, viewed and removed in containerd's words", async () => {
  const snapshots = stage.client.snapshots();
  await using lease = await stage.client.leases.hold();
  const leased = lease.client.snapshots();
  expect(await leased.prepare("base-work", "", { labels: { a: "1" } })).toMatchObject([{ type: "bind" }]);
  await leased.commit("base", "base-work", { labels: { b: "2" } });
  expect(await snapshots.stat("base")).toMatchObject({ kind: "committed", parent: "", labels: { b: "2" } });
  expect(await leased.prepare("work", "base")).toMatchObject([{ type: "overlay" }]);
  await expect(leased.prepare("work", "base")).rejects.toMatchObject({ code: "already_exists" });
  await expect(snapshots.remove("base")).rejects.toMatchObject({ code: "failed_precondition" });
  expect((await Array.fromAsync(snapshots.walk(["kind==active"]))).map(({ name }) => name)).toEqual(["work"]);
  await snapshots.remove("work");
  await snapshots.remove("base");
});

test.each([
  ["a missing socket", "/nowhere/c.sock", "unavailable", /^cannot access socket .*: no such file or directory$/],
  ["a file that is no socket", "/etc/passwd", "unavailable", /connection refused"$/],
])("connect() tells of %s as the Go tool does", async (_what, address, code, message) => {
  const error = await connect({ address }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code });
  expect(String(error instanceof Error ? error.message : error)).toMatch(message);
});

test("subscribe() yields decoded events, and leaving the loop ends it", async () => {
  const { client } = stage;
  const namespace = client.namespace;
  const seen = (async () => {
    for await (const { event } of client.events.subscribe([`namespace==${namespace},topic~=/snapshot/`])) {
      if (event?.kind === "containerd.events.SnapshotPrepare" && event.value.key === "seen") return event.value;
    }
    return undefined;
  })();
  // A subscriber is not told when it is registered: ask until it sees one.
  const stop = new AbortController();
  const poke = (async () => {
    while (!stop.signal.aborted) {
      await client.snapshots().prepare("seen", "");
      await client.snapshots().remove("seen");
    }
  })();
  expect((await seen)?.key).toBe("seen");
  stop.abort();
  await poke;
});
