import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDirty } from "../metadata/dirty.ts";
import { createLease, listLeaseResources } from "../metadata/leases.ts";
import type { Store } from "../store/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { snapshotDriver } from "./drivers.ts";
import { EngineSnapshotter } from "./store.ts";
import { sweepSnapshots } from "./sweep.ts";

const { signal } = new AbortController();
const cancel = { signal };

const open = (store: Store, name: string, lease?: string) =>
  new EngineSnapshotter(store, { namespace: "default", lease }, snapshotDriver(store, name));

/** A committed snapshot with one file in it. */
async function commitBase(snapshots: EngineSnapshotter, name = "base", parent = "") {
  const [mount] = await snapshots.prepare(`${name}-key`, parent, cancel);
  const upper = mount?.options.find((option) => option.startsWith("upperdir="))?.slice("upperdir=".length);
  writeFileSync(join(upper ?? mount?.source ?? "", name), name);
  await snapshots.commit(name, `${name}-key`, cancel);
}

describe.each(["overlayfs", "native"])("the %s snapshotter", (driver) => {
  test("takes a tree from active to committed under one name", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    await commitBase(snapshots);
    expect(await snapshots.stat("base")).toMatchObject({ kind: "committed", name: "base", parent: "" });
    await expect(snapshots.stat("base-key")).rejects.toMatchObject({ code: "not_found" });
    await expect(snapshots.mounts("base")).rejects.toMatchObject({ code: "failed_precondition" });
    const usage = await snapshots.usage("base", cancel);
    expect(usage.inodes).toBe(2n);
    expect(usage.size).toBeGreaterThan(0n);
  });

  test("refuses keys that are taken and parents that do not do", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    await commitBase(snapshots);
    await snapshots.prepare("active", "base", cancel);
    await expect(snapshots.prepare("active", "", cancel)).rejects.toMatchObject({ code: "already_exists" });
    await expect(snapshots.view("base", "", cancel)).rejects.toMatchObject({ code: "already_exists" });
    await expect(snapshots.prepare("x", "nope", cancel)).rejects.toMatchObject({ code: "not_found" });
    await expect(snapshots.prepare("x", "active", cancel)).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(snapshots.commit("base", "active", cancel)).rejects.toMatchObject({ code: "already_exists" });
    await expect(snapshots.prepare("", "", cancel)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("commits no view and removes nothing that others stand on", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    await commitBase(snapshots);
    await snapshots.view("view", "base", cancel);
    await expect(snapshots.commit("new", "view", cancel)).rejects.toMatchObject({ code: "failed_precondition" });
    await expect(snapshots.remove("base")).rejects.toMatchObject({ code: "failed_precondition" });
    await snapshots.remove("view");
    await snapshots.remove("base");
    expect(store.db.read(isDirty)).toBe(true);
    await expect(snapshots.remove("base")).rejects.toMatchObject({ code: "not_found" });
  });

  test("replaces the labels of an active one with those of its commit", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    await snapshots.prepare("key", "", { ...cancel, labels: { a: "1" } });
    await snapshots.commit("name", "key", { ...cancel, labels: { b: "2" } });
    expect((await snapshots.stat("name")).labels).toEqual({ b: "2" });
  });

  test("tells a client that the target of an extraction is there, and leases it", async () => {
    using store = openTestStore();
    await commitBase(open(store, driver));
    store.db.write((tx) => createLease(store, tx, "default", { id: "l", labels: {}, owner: "" }));
    const labels = { "containerd.io/snapshot.ref": "base" };
    const prepare = open(store, driver, "l").prepare("extract", "", { ...cancel, labels });
    await expect(prepare).rejects.toMatchObject({ code: "already_exists" });
    expect(store.db.read((tx) => listLeaseResources(tx, "default", "l"))).toEqual([
      { type: `snapshots/${driver}`, id: "base" },
    ]);
  });

  test("moves a lease from the key to the name", async () => {
    using store = openTestStore();
    store.db.write((tx) => createLease(store, tx, "default", { id: "l", labels: {}, owner: "" }));
    await commitBase(open(store, driver, "l"));
    expect(store.db.read((tx) => listLeaseResources(tx, "default", "l"))).toEqual([
      { type: `snapshots/${driver}`, id: "base" },
    ]);
  });

  test("leaves no directory when a prepare fails late, nor after the sweep", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver, "nope");
    await expect(snapshots.prepare("key", "", cancel)).rejects.toMatchObject({ code: "not_found" });
    const { dir } = snapshotDriver(store, driver);
    expect(readdirSync(dir)).toEqual([]);
    const kept = open(store, driver);
    await commitBase(kept);
    await kept.prepare("gone", "base", cancel);
    await kept.remove("gone");
    sweepSnapshots(store, snapshotDriver(store, driver));
    expect(readdirSync(dir)).toHaveLength(1);
  });

  test("never uses a directory twice, also not one that a dead process left", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    const { dir } = snapshotDriver(store, driver);
    await commitBase(snapshots);
    const next = join(dir, "2");
    await Bun.write(join(next, "left"), "by a process that died before its commit");
    await snapshots.prepare("key", "base", cancel);
    expect(existsSync(join(next, "left"))).toBe(false);
  });

  test("gives a root directory the ids that labels map", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    const labels = {
      "containerd.io/snapshot/uidmapping": "0:1000:10",
      "containerd.io/snapshot/gidmapping": "0:2000:10",
    };
    const [mount] = await snapshots.prepare("key", "", { ...cancel, labels });
    expect(statSync(mount?.source ?? "")).toMatchObject({ uid: 1000, gid: 2000 });
    const bad = { ...cancel, labels: { "containerd.io/snapshot/uidmapping": "x" } };
    await expect(snapshots.prepare("bad", "", bad)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("walk() reads the filters", async () => {
    using store = openTestStore();
    const snapshots = open(store, driver);
    await commitBase(snapshots);
    await snapshots.prepare("key", "base", cancel);
    const names = async (...filters: string[]) =>
      (await Array.fromAsync(snapshots.walk(filters, cancel))).map((info) => info.name);
    expect(await names()).toEqual(["base", "key"]);
    expect(await names("kind==committed")).toEqual(["base"]);
    expect(await names("parent==base")).toEqual(["key"]);
  });
});

test("overlay mounts are those of containerd", async () => {
  using store = openTestStore();
  const snapshots = open(store, "overlayfs");
  const { dir } = snapshotDriver(store, "overlayfs");
  const fs = (id: number) => join(dir, String(id), "fs");
  await commitBase(snapshots, "one");
  await commitBase(snapshots, "two", "one");
  const index = existsSync("/sys/module/overlay/parameters/index") ? ["index=off"] : [];
  expect(await snapshots.prepare("active", "two", cancel)).toEqual([
    {
      type: "overlay",
      source: "overlay",
      target: "",
      options: [`workdir=${join(dir, "3", "work")}`, `upperdir=${fs(3)}`, `lowerdir=${fs(2)}:${fs(1)}`, ...index],
    },
  ]);
  expect(await snapshots.view("view", "two", cancel)).toMatchObject([
    { options: [`lowerdir=${fs(2)}:${fs(1)}`, ...index] },
  ]);
  expect(await snapshots.view("view-one", "one", cancel)).toMatchObject([
    { type: "bind", source: fs(1), options: ["ro", "rbind"] },
  ]);
  expect(await snapshots.prepare("base", "", cancel)).toMatchObject([{ type: "bind", options: ["rw", "rbind"] }]);
});

test("a native snapshot is a copy of its parent", async () => {
  using store = openTestStore();
  const snapshots = open(store, "native");
  await commitBase(snapshots, "one");
  const [mount] = await snapshots.prepare("active", "one", cancel);
  expect(await Bun.file(join(mount?.source ?? "", "one")).text()).toBe("one");
});

test("commit() gives a base the parent it is told, and leaves a parent that is there", async () => {
  using store = openTestStore();
  const snapshots = open(store, "overlayfs");
  await commitBase(snapshots, "one");
  await commitBase(snapshots, "two");
  await snapshots.prepare("key", "", cancel);
  await snapshots.commit("rebased", "key", { ...cancel, parent: "one" });
  expect((await snapshots.stat("rebased")).parent).toBe("one");
  await snapshots.prepare("key", "two", cancel);
  await snapshots.commit("kept", "key", { ...cancel, parent: "one" });
  expect((await snapshots.stat("kept")).parent).toBe("two");
});
