import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { containersV1 } from "@ctr/api";
import { parseDigest } from "@ctr/oci";
import { processIdentity } from "@ctr/sys";
import { createContainer } from "../metadata/containers.ts";
import { isDirty, markDirty } from "../metadata/dirty.ts";
import { createImage, deleteImage, findImage } from "../metadata/images.ts";
import { addToLease, createLease, deleteLease, listLeaseResources, listLeases } from "../metadata/leases.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import { openTestStore } from "../testing/test-store.ts";
import { collect, collectIfDirty, tryCollect } from "./collect.ts";
import { explainNode } from "./sweep.ts";

const { signal } = new AbortController();
const DAY = 24n * 3600n * 1_000_000_000n;
const scope = { namespace: "ns", lease: undefined };
const digest = parseDigest(`sha256:${"a".repeat(64)}`);
const target = { mediaType: "x", digest, size: 1n };
const noBackends = { signal, backends: [] };

function openClockedStore() {
  const clock = { time: 1_700_000_000n * 1_000_000_000n, now: () => clock.time };
  return { clock, store: openTestStore({ clock }) };
}

function addBlob(store: Store, id: string = digest, labels = "{}"): void {
  store.db.write((tx) => {
    tx.run("INSERT OR IGNORE INTO namespaces (name) VALUES ('ns')");
    const sql =
      "INSERT INTO blobs (namespace, digest, size, labels, created_at, updated_at) VALUES ('ns', ?, 1, ?, 0, 0)";
    tx.run(sql, id, labels);
  });
}

function addSnapshot(store: Store, key: string): void {
  store.db.write((tx) => {
    tx.run(
      `INSERT INTO snapshots (namespace, snapshotter, key, kind, created_at, updated_at)
       VALUES ('ns', 'native', ?, 'active', 0, 0)`,
      key,
    );
  });
}

const rows = (store: Store, table: string) => store.db.read((tx) => tx.all(`SELECT 1 FROM ${table}`)).length;

/** The identity of a process that has ended. */
async function deadProcess(): Promise<string> {
  const sys = JSON.stringify(import.meta.resolve("@ctr/sys"));
  const source = `import { processIdentity } from ${sys}; console.log(processIdentity())`;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
  const identity = (await new Response(child.stdout).text()).trim();
  await child.exited;
  return identity;
}

test("collect() deletes rows, then sweeps the disk with nobody else on it, then empties the trash", async () => {
  using store = openTestStore();
  addBlob(store);
  const seen: unknown[] = [];
  const thrownAway = trashPath(store);
  const sweep = () => {
    seen.push(rows(store, "blobs"));
    mkdirSync(thrownAway);
    writeFileSync(join(thrownAway, "file"), "x");
  };
  expect(await collect(store, { signal, backends: [{ sweep }] })).toEqual({ rows: 1 });
  expect(seen).toEqual([0]);
  expect(existsSync(thrownAway)).toBe(false);
});

test("collectIfDirty() does nothing in a store nothing was let go of", async () => {
  using store = openTestStore();
  addBlob(store);
  expect(await collectIfDirty(store, noBackends)).toBeUndefined();
  store.db.write((tx) => createImage(store, tx, scope, { name: "i", target, labels: {} }));
  store.db.write((tx) => deleteImage(store, tx, "ns", "i"));
  expect(await collectIfDirty(store, noBackends)).toEqual({ rows: 1 });
  expect(await collectIfDirty(store, noBackends)).toBeUndefined();
});

test("collect() leaves the store dirty when it fails on the way, or more is let go meanwhile", async () => {
  using store = openTestStore();
  const dirty = () => store.db.read(isDirty);
  const letGo = () =>
    store.db.write((tx) => {
      createLease(store, tx, "ns", { id: "l", labels: {}, owner: "" });
      addToLease(tx, { namespace: "ns", lease: "l" }, "content", digest);
      deleteLease(tx, "ns", "l");
    });
  letGo();
  const fail = () => {
    throw new Error("on purpose");
  };
  await expect(collect(store, { signal, backends: [{ sweep: fail }] })).rejects.toThrow("on purpose");
  expect(dirty()).toBe(true);
  await collect(store, { signal, backends: [{ sweep: letGo }] });
  expect(dirty()).toBe(true);
  await collect(store, noBackends);
  expect(dirty()).toBe(false);
});

test("collectIfDirty() also collects what others let go of while it was at it", async () => {
  using store = openTestStore();
  const letGo = () => {
    addBlob(store);
    store.db.write(markDirty);
  };
  letGo();
  let rounds = 0;
  const backends = [{ sweep: () => void (rounds++ === 0 && letGo()) }];
  expect(await collectIfDirty(store, { signal, backends })).toEqual({ rows: 2 });
  expect(rounds).toBe(2);
  expect(await collectIfDirty(store, noBackends)).toBeUndefined();
});

test("tryCollect() leaves it to whoever is collecting, collect() waits for them", async () => {
  using store = openTestStore();
  const other = store.locks.tryCollect();
  expect(await tryCollect(store, noBackends)).toBeUndefined();
  const waiting = collect(store, noBackends);
  other?.[Symbol.dispose]();
  expect(await waiting).toEqual({ rows: 0 });
});

test("whoever collects is the only one to, until it is done", async () => {
  using store = openTestStore();
  const others: unknown[] = [];
  const backends = [{ sweep: () => others.push(store.locks.tryCollect()) }];
  await collect(store, { signal, backends });
  await tryCollect(store, { signal, backends });
  store.db.write(markDirty);
  await collectIfDirty(store, { signal, backends });
  expect(others).toEqual([undefined, undefined, undefined]);
  using after = store.locks.tryCollect();
  expect(after).toBeDefined();
});

test("a lease ends at its time", async () => {
  const { clock, store } = openClockedStore();
  using _store = store;
  addBlob(store);
  const expiry = new Date(Number((clock.time + DAY) / 1_000_000n)).toISOString();
  store.db.write((tx) => {
    createLease(store, tx, "ns", { id: "l", labels: { "containerd.io/gc.expire": expiry }, owner: "" });
    addToLease(tx, { namespace: "ns", lease: "l" }, "content", digest);
  });
  await collect(store, noBackends);
  expect(rows(store, "blobs")).toBe(1);
  clock.time += DAY + 1n;
  await collect(store, noBackends);
  expect([rows(store, "blobs"), rows(store, "leases"), rows(store, "lease_resources")]).toEqual([0, 0, 0]);
});

test("the lease of a dead process lapses at once for snapshots, after a day for bytes", async () => {
  const { clock, store } = openClockedStore();
  using _store = store;
  const owner = await deadProcess();
  addBlob(store);
  addSnapshot(store, "half unpacked");
  const under = { namespace: "ns", lease: "l" };
  store.db.write((tx) => {
    createLease(store, tx, "ns", { id: "l", labels: {}, owner });
    addToLease(tx, under, "content", digest);
    addToLease(tx, under, "ingests", "ref");
    addToLease(tx, under, "snapshots/native", "half unpacked");
    tx.run("INSERT INTO ingests (namespace, ref, started_at, updated_at) VALUES ('ns', 'ref', 0, 0)");
  });
  // Nobody let go of anything, but somebody died.
  expect(await collectIfDirty(store, noBackends)).toEqual({ rows: 1 });
  expect([rows(store, "snapshots"), rows(store, "blobs"), rows(store, "ingests")]).toEqual([0, 1, 1]);
  expect(await collectIfDirty(store, noBackends)).toBeUndefined();
  expect(store.db.read((tx) => listLeaseResources(tx, "ns", "l"))).toHaveLength(2);
  clock.time += DAY + 1n;
  await collect(store, noBackends);
  expect([rows(store, "blobs"), rows(store, "ingests"), rows(store, "leases")]).toEqual([0, 0, 0]);
});

test("the lease of a living process holds", async () => {
  using store = openTestStore();
  addSnapshot(store, "s");
  store.db.write((tx) => {
    createLease(store, tx, "ns", { id: "l", labels: {}, owner: processIdentity() });
    addToLease(tx, { namespace: "ns", lease: "l" }, "snapshots/native", "s");
  });
  await collect(store, noBackends);
  expect(rows(store, "snapshots")).toBe(1);
});

test("an ingest without a lease ends at its time, and keeps what it is to share until then", async () => {
  const { clock, store } = openClockedStore();
  using _store = store;
  addBlob(store);
  store.db.write((tx) => {
    const sql = `INSERT INTO ingests (namespace, ref, expected, started_at, updated_at, expires_at)
      VALUES ('ns', 'r', ?, 0, 0, ?)`;
    tx.run(sql, digest, clock.time + DAY);
  });
  await collect(store, noBackends);
  expect([rows(store, "ingests"), rows(store, "blobs")]).toEqual([1, 1]);
  clock.time += DAY + 1n;
  expect(await collectIfDirty(store, noBackends)).toEqual({ rows: 2 });
});

test("collect() tells of the images and snapshots it took, in the transaction that took them", async () => {
  using store = openTestStore();
  store.db.write((tx) =>
    createImage(store, tx, scope, { name: "i", target, labels: { "containerd.io/gc.expire": "2001-01-01T00:00:00Z" } }),
  );
  addSnapshot(store, "s");
  store.db.write((tx) => tx.run("DELETE FROM events"));
  await collect(store, noBackends);
  expect(store.db.read((tx) => findImage(tx, "ns", "i"))).toBeUndefined();
  const topics = store.db.read((tx) => tx.all<{ readonly topic: string }>("SELECT topic FROM events ORDER BY topic"));
  expect(topics.map(({ topic }) => topic)).toEqual(["/images/delete", "/snapshot/remove"]);
});

test("explainNode() names the chain that keeps a record, from its root", () => {
  using store = openTestStore();
  const child = `sha256:${"b".repeat(64)}`;
  addBlob(store, digest, JSON.stringify({ "containerd.io/gc.ref.content.0": child }));
  addBlob(store, child);
  store.db.write((tx) => createImage(store, tx, scope, { name: "i", target, labels: {} }));
  expect(explainNode(store, "ns", "content", child)).toEqual([
    { key: "images i", why: "image" },
    { key: `content ${digest}`, why: "target" },
    { key: `content ${child}`, why: "containerd.io/gc.ref.content.0" },
  ]);
  expect(explainNode(store, "ns", "content", "sha256:nope")).toEqual([]);
});

test("a write under a lease that is not there fails whole", () => {
  using store = openTestStore();
  const labels = { "containerd.io/gc.expire": "2999-01-01T00:00:00Z" };
  const under = { namespace: "ns", lease: "nope" };
  expect(() => store.db.write((tx) => createImage(store, tx, under, { name: "i", target, labels }))).toThrow(
    expect.objectContaining({ code: "not_found" }),
  );
  expect(store.db.read((tx) => findImage(tx, "ns", "i"))).toBeUndefined();
  expect(store.db.read((tx) => listLeases(tx, "ns", []))).toEqual([]);
});

test.each([
  ["a container's snapshot", "c", "native", false],
  ["a snapshot that no container has", "other", "native", true],
  ["a snapshot of another snapshotter", "c", "overlayfs", true],
])(
  "deleteLease() asks for a collection where the lease may have kept something alone: %s",
  (_what, key, snapshotter, dirty) => {
    using store = openTestStore();
    store.db.write((tx) => {
      createLease(store, tx, "ns", { id: "l", labels: {}, owner: "" });
      addToLease(tx, { namespace: "ns", lease: "l" }, `snapshots/${snapshotter}`, key);
      const record = {
        id: "c",
        image: "",
        runtime: { name: "r", options: undefined },
        snapshotter: "native",
        snapshotKey: "c",
      };
      createContainer(store, tx, "ns", containersV1.Container.fromPartial(record));
    });
    expect(store.db.read(isDirty)).toBe(false);
    store.db.write((tx) => deleteLease(tx, "ns", "l"));
    expect(store.db.read(isDirty)).toBe(dirty);
  },
);
