import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { collect } from "../gc/collect.ts";
import { createLease } from "../metadata/leases.ts";
import type { Store } from "../store/store.ts";
import { serveSnapshots, type TestDaemon, useDaemon } from "../testing/test-proxy.ts";
import { openTestStore } from "../testing/test-store.ts";
import { ProxySnapshotter } from "./proxy.ts";
import { proxyConfigs } from "./proxy-config.ts";
import { insertMaking } from "./proxy-rows.ts";

const { signal } = new AbortController();
const cancel = { signal };
const target = { "containerd.io/snapshot.ref": "sha256:t" };

function open(store: Store, namespace = "default"): ProxySnapshotter {
  const [config] = proxyConfigs(store).filter(({ name }) => name === "far");
  if (config === undefined) throw new Error("the store has no snapshotter far");
  return new ProxySnapshotter(store, { namespace, lease: "keep" }, config);
}

/** A store whose snapshotter `far` is the daemon's, with a lease `keep` in two namespaces. */
function storeOn(daemon: TestDaemon): Store {
  const store = openTestStore();
  useDaemon(store, daemon.address);
  for (const namespace of ["default", "other"]) {
    store.db.write((tx) => createLease(store, tx, namespace, { id: "keep", labels: {}, owner: "" }));
  }
  return store;
}

const rowsOf = ({ store }: TestDaemon) =>
  store.db
    .read((tx) => tx.all<{ readonly key: string }>("SELECT key FROM snapshots ORDER BY key"))
    .map(({ key }) => key);
const waiting = (store: Store) =>
  store.db.read((tx) => tx.all("SELECT backend FROM proxied_snapshots WHERE snapshot IS NULL")).length;

test("collect() removes from the daemon what was removed here, children first, and has it clean up", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  const snapshots = open(store);
  await snapshots.prepare("a", "", cancel);
  await snapshots.commit("A", "a", cancel);
  await snapshots.prepare("b", "A", cancel);
  await snapshots.commit("B", "b", cancel);
  await snapshots.prepare("c", "B", cancel);
  expect(rowsOf(daemon)).toHaveLength(3);
  for (const key of ["c", "B", "A"]) await snapshots.remove(key);
  expect(rowsOf(daemon)).toHaveLength(3);
  await collect(store, cancel);
  expect(rowsOf(daemon)).toEqual([]);
  expect(waiting(store)).toBe(0);
});

test("collect() leaves alone what others have in the daemon", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  using other = storeOn(daemon);
  await open(other).prepare("key", "", cancel);
  await open(store).prepare("key", "", cancel);
  const before = rowsOf(daemon);
  await open(store).remove("key");
  await collect(store, cancel);
  expect(rowsOf(daemon)).toHaveLength(1);
  expect(before).toContain(rowsOf(daemon)[0] ?? "");
  expect(await open(other).mounts("key", cancel)).toHaveLength(1);
});

test("collect() waits for a daemon that is away, and fails nothing", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  await open(store).prepare("key", "", cancel);
  await open(store).remove("key");
  useDaemon(store, `${daemon.address}.away`);
  await collect(store, cancel);
  expect(waiting(store)).toBe(1);
  rmSync(join(store.root, "config.toml"));
  await collect(store, cancel);
  useDaemon(store, daemon.address);
  await collect(store, cancel);
  expect(rowsOf(daemon)).toEqual([]);
  expect(waiting(store)).toBe(0);
});

test("a daemon that is away is named, with its address, and nothing is left to clean up", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  await open(store).prepare("key", "", cancel);
  const away = `${daemon.address}.away`;
  useDaemon(store, away);
  const message = `cannot reach the snapshotter's daemon (snapshotter far, address ${away}): ENOENT`;
  const fails = expect.objectContaining({ code: "unavailable", message });
  const snapshots = open(store);
  await expect(snapshots.prepare("new", "", cancel)).rejects.toEqual(fails);
  await expect(snapshots.mounts("key", cancel)).rejects.toEqual(fails);
  await expect(snapshots.commit("name", "key", cancel)).rejects.toEqual(fails);
  await expect(Array.fromAsync(snapshots.walk([], cancel))).rejects.toEqual(fails);
  expect(waiting(store)).toBe(0);
  useDaemon(store, daemon.address);
  await open(store).commit("name", "key", cancel);
});

test("collect() finds what a process was making when it died", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  await open(store).prepare("key", "", cancel);
  // As a process leaves it that is killed between the daemon's answer and its own write.
  store.db.write((tx) => {
    tx.run("UPDATE proxied_snapshots SET state = 'making', snapshot = NULL, owner = '1 0 another-boot 0'");
    tx.run("DELETE FROM snapshots");
  });
  await collect(store, cancel);
  expect(rowsOf(daemon)).toEqual([]);
  const row = { namespace: "default", snapshotter: "far", backend: "default/x/alive" };
  store.db.write((tx) => insertMaking(tx, row));
  await collect(store, cancel);
  expect(waiting(store)).toBe(1);
});

test("commit() ends what a process had begun when it died, whether the daemon had done it or not", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  const snapshots = open(store);
  for (const done of [false, true]) {
    const [key, name] = [`key-${done}`, `name-${done}`];
    await snapshots.prepare(key, "", cancel);
    store.db.write((tx) => {
      tx.run(`INSERT INTO proxied_snapshots (namespace, snapshotter, backend, snapshot, state, owner)
        SELECT namespace, snapshotter, 'default/begun/${name}', snapshot, 'committing', '1 0 another-boot 0'
        FROM proxied_snapshots WHERE backend LIKE '%/${key}'`);
    });
    if (done) {
      daemon.store.db.write((tx) => {
        tx.run(`UPDATE snapshots SET key = 'default/begun/${name}', kind = 'committed' WHERE key LIKE '%/${key}'`);
      });
    }
    await collect(store, cancel);
    await snapshots.commit(name, key, cancel);
    expect(await snapshots.stat(name, cancel)).toMatchObject({ kind: "committed", name });
    expect(rowsOf(daemon)).toContain(`default/begun/${name}`);
  }
  expect(rowsOf(daemon)).toHaveLength(2);
});

test("what a daemon has by itself is taken for the target, once a namespace, and removed with its last record", async () => {
  await using daemon = await serveSnapshots({ lazy: true });
  using store = storeOn(daemon);
  for (const namespace of ["default", "other"]) {
    const prepare = open(store, namespace).prepare("extract x", "", { ...cancel, labels: target });
    await expect(prepare).rejects.toMatchObject({ code: "already_exists" });
    expect(await open(store, namespace).stat("sha256:t", cancel)).toMatchObject({ kind: "committed", labels: target });
  }
  await collect(store, cancel);
  expect(rowsOf(daemon)).toEqual(["sha256:t"]);
  expect(await open(store).prepare("c", "sha256:t", cancel)).toHaveLength(1);
  await open(store).remove("c");
  await open(store).remove("sha256:t");
  await collect(store, cancel);
  expect(rowsOf(daemon)).toEqual(["sha256:t"]);
  await open(store, "other").remove("sha256:t");
  await collect(store, cancel);
  expect(rowsOf(daemon)).toEqual([]);
});

test("a target that the daemon has for somebody else is unpacked anew", async () => {
  await using daemon = await serveSnapshots({ lazy: true });
  using other = storeOn(daemon);
  using store = storeOn(daemon);
  const prepare = open(other).prepare("extract x", "", { ...cancel, labels: target });
  await expect(prepare).rejects.toMatchObject({ code: "already_exists" });
  expect(await open(store).prepare("extract y", "", { ...cancel, labels: target })).toHaveLength(1);
  await open(store).commit("sha256:t", "extract y", { ...cancel, labels: target });
  expect(rowsOf(daemon)).toHaveLength(2);
});

test("labels for snapshotters reach the daemon, others stay here, and the daemon's own are seen", async () => {
  await using daemon = await serveSnapshots();
  using store = storeOn(daemon);
  const snapshots = open(store);
  const labels = { "containerd.io/snapshot/x": "1", mine: "2" };
  await snapshots.prepare("key", "", { ...cancel, labels });
  const [row] = daemon.store.db.read((tx) => tx.all<{ readonly labels: string }>("SELECT labels FROM snapshots"));
  expect(JSON.parse(row?.labels ?? "")).toEqual({ "containerd.io/snapshot/x": "1", "containerd.io/gc.root": store.id });
  await snapshots.setLabels("key", { "containerd.io/snapshot/x": "3", mine: "4" }, cancel);
  daemon.store.db.write((tx) => {
    tx.run(`UPDATE snapshots SET labels = json_set(labels, '$."containerd.io/snapshot/upper"', '/u')`);
  });
  const seen = { "containerd.io/snapshot/x": "3", "containerd.io/snapshot/upper": "/u", mine: "4" };
  expect((await snapshots.stat("key", cancel)).labels).toEqual(seen);
  expect(await Array.fromAsync(snapshots.walk(["labels.mine==4"], cancel))).toMatchObject([{ labels: seen }]);
});
