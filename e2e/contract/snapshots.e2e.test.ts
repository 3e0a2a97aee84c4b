import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { snapshotsV1 } from "@ctr/api";
import type { CallOptions } from "@ctr/rpc";
import {
  type Clients,
  clientsOf,
  codeOf,
  describeContract,
  gather,
  inNamespace,
  type Stage,
  snapshotterSubjects,
  underLease,
} from "./subjects.ts";

const { ACTIVE, COMMITTED, VIEW } = snapshotsV1.Kind;

interface Place {
  readonly clients: Clients;
  readonly options: CallOptions;
  readonly snapshotter: string;
}

/** A committed snapshot with one file in it. */
async function commit({ clients, options, snapshotter }: Place, name: string, parent = ""): Promise<void> {
  const key = `${name}-key`;
  const { mounts } = await clients.snapshots.prepare({ snapshotter, key, parent }, options);
  const upper = mounts[0]?.options.find((option) => option.startsWith("upperdir="))?.slice("upperdir=".length);
  await writeFile(join(upper ?? mounts[0]?.source ?? "", name), name);
  await clients.snapshots.commit({ snapshotter, name, key }, options);
}

const suite = (stage: Stage) => {
  const names = stage.subject.snapshotters ?? { overlayfs: "overlayfs", native: "native" };
  const open = async (snapshotter: string): Promise<Place> => {
    const clients = await clientsOf(stage.channel);
    return { clients, options: await underLease(stage, clients), snapshotter };
  };

  test("a snapshotter must be named, and be there", async () => {
    const { clients, options } = await open("");
    expect(await codeOf(clients.snapshots.stat({ key: "x" }, options))).toBe("invalid_argument");
    expect(await codeOf(clients.snapshots.stat({ key: "x", snapshotter: "nope" }, options))).toBe("invalid_argument");
  });

  describe.each(Object.values(names))("%s", (snapshotter) => {
    test("a key becomes a name: active, committed, gone", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      const { mounts } = await clients.snapshots.prepare({ snapshotter, key: "key" }, options);
      expect(mounts).toMatchObject([{ type: "bind" }]);
      expect((await clients.snapshots.stat({ snapshotter, key: "key" }, options)).info?.kind).toBe(ACTIVE);
      await clients.snapshots.commit({ snapshotter, name: "name", key: "key" }, options);
      const { info } = await clients.snapshots.stat({ snapshotter, key: "name" }, options);
      expect(info).toMatchObject({ kind: COMMITTED, name: "name", parent: "" });
      expect(await codeOf(clients.snapshots.stat({ snapshotter, key: "key" }, options))).toBe("not_found");
      await clients.snapshots.remove({ snapshotter, key: "name" }, options);
      expect(await codeOf(clients.snapshots.remove({ snapshotter, key: "name" }, options))).toBe("not_found");
    });

    test("keys and names share one space", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      await clients.snapshots.prepare({ snapshotter, key: "active", parent: "base" }, options);
      const calls = {
        prepareKey: () => clients.snapshots.prepare({ snapshotter, key: "active" }, options),
        prepareName: () => clients.snapshots.prepare({ snapshotter, key: "base" }, options),
        view: () => clients.snapshots.view({ snapshotter, key: "active", parent: "base" }, options),
        commit: () => clients.snapshots.commit({ snapshotter, name: "base", key: "active" }, options),
      };
      for (const call of Object.values(calls)) expect(await codeOf(call())).toBe("already_exists");
    });

    test("parents must be there and committed", async () => {
      const { clients, options } = await open(snapshotter);
      await clients.snapshots.prepare({ snapshotter, key: "active" }, options);
      const prepare = (parent: string) => codeOf(clients.snapshots.prepare({ snapshotter, key: "x", parent }, options));
      expect(await prepare("nope")).toBe("not_found");
      expect(await prepare("active")).toBe("invalid_argument");
    });

    test("a view shows its parent and is never committed", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      const { mounts } = await clients.snapshots.view({ snapshotter, key: "view", parent: "base" }, options);
      expect(mounts[0]?.options).toContain("ro");
      expect((await clients.snapshots.stat({ snapshotter, key: "view" }, options)).info).toMatchObject({
        kind: VIEW,
        parent: "base",
      });
      const wrong = clients.snapshots.commit({ snapshotter, name: "new", key: "view" }, options);
      // containerd's native snapshotter gives this error no class.
      const unclassed = stage.subject.name.startsWith("containerd") && snapshotter === names.native;
      expect(await codeOf(wrong)).toBe(unclassed ? "unknown" : "failed_precondition");
    });

    test("mounts are those of active ones and views only", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      const { mounts } = await clients.snapshots.prepare({ snapshotter, key: "active", parent: "base" }, options);
      expect((await clients.snapshots.mounts({ snapshotter, key: "active" }, options)).mounts).toEqual(mounts);
      const mountsOf = (key: string) => codeOf(clients.snapshots.mounts({ snapshotter, key }, options));
      expect(await mountsOf("base")).toBe("failed_precondition");
      expect(await mountsOf("nope")).toBe("not_found");
    });

    test("what others stand on stays", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      await clients.snapshots.prepare({ snapshotter, key: "active", parent: "base" }, options);
      expect(await codeOf(clients.snapshots.remove({ snapshotter, key: "base" }, options))).toBe("failed_precondition");
    });

    test("labels of a commit replace those of the key", async () => {
      const { clients, options } = await open(snapshotter);
      await clients.snapshots.prepare({ snapshotter, key: "key", labels: { a: "1" } }, options);
      await clients.snapshots.commit({ snapshotter, name: "name", key: "key", labels: { b: "2" } }, options);
      const { info } = await clients.snapshots.stat({ snapshotter, key: "name" }, options);
      expect(info?.labels).toEqual({ b: "2" });
      const update = (labels: Record<string, string>, updateMask: string[]) =>
        clients.snapshots.update({ snapshotter, info: { name: "name", labels }, updateMask }, options);
      expect((await update({ c: "3" }, ["labels.c"])).info?.labels).toEqual({ b: "2", c: "3" });
      expect((await update({}, ["labels.b"])).info?.labels).toEqual({ c: "3" });
      expect(await codeOf(update({}, ["parent"]))).toBe("invalid_argument");
    });

    test("a client learns that the target of its extraction is there", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      const labels = { "containerd.io/snapshot.ref": "base" };
      const prepare = clients.snapshots.prepare({ snapshotter, key: "extract x", labels }, options);
      expect(await codeOf(prepare)).toBe("already_exists");
    });

    test("a lease keeps the key, then the name", async () => {
      const clients = await clientsOf(stage.channel);
      const namespace = stage.newNamespace();
      await clients.leases.create({ id: "l" }, inNamespace(namespace));
      const place = { clients, options: inNamespace(namespace, "l"), snapshotter };
      await commit(place, "base");
      const { resources } = await clients.leases.listResources({ id: "l" }, place.options);
      expect(resources).toEqual([{ type: `snapshots/${snapshotter}`, id: "base" }]);
    });

    test("usage counts what a snapshot adds", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      const base = await clients.snapshots.usage({ snapshotter, key: "base" }, options);
      expect(base.inodes).toBe(2n);
      expect(base.size).toBeGreaterThan(0n);
      expect(await codeOf(clients.snapshots.usage({ snapshotter, key: "nope" }, options))).toBe("not_found");
    });

    test("lists are filtered", async () => {
      const place = await open(snapshotter);
      const { clients, options } = place;
      await commit(place, "base");
      await clients.snapshots.prepare({ snapshotter, key: "active", parent: "base", labels: { a: "1" } }, options);
      await clients.snapshots.view({ snapshotter, key: "view", parent: "base" }, options);
      const list = async (...filters: readonly string[]) =>
        (await gather(clients.snapshots.list({ snapshotter, filters }, options)))
          .flatMap(({ info }) => info.map(({ name }) => name))
          .sort();
      expect(await list()).toEqual(["active", "base", "view"]);
      expect(await list("kind==committed")).toEqual(["base"]);
      expect(await list("parent==base,kind==view")).toEqual(["view"]);
      expect(await list("labels.a==1", "name==base")).toEqual(["active", "base"]);
    });

    test("another namespace has a space of its own", async () => {
      const place = await open(snapshotter);
      await commit(place, "base");
      const elsewhere = { ...place, options: await underLease(stage, place.clients) };
      expect(await codeOf(place.clients.snapshots.stat({ snapshotter, key: "base" }, elsewhere.options))).toBe(
        "not_found",
      );
      await commit(elsewhere, "base");
    });
  });

  test("a stack of layers is an overlay, the nearest layer first", async () => {
    const place = await open(names.overlayfs);
    const { clients, options, snapshotter } = place;
    await commit(place, "one");
    await commit(place, "two", "one");
    const { mounts } = await clients.snapshots.prepare({ snapshotter, key: "active", parent: "two" }, options);
    const [mount] = mounts;
    expect(mount?.type).toBe("overlay");
    const shape = (mount?.options ?? []).map((option) => option.replace(/[^:=]*\/snapshots\/\d+/g, "N")).sort();
    expect(shape).toEqual(["index=off", "lowerdir=N/fs:N/fs", "upperdir=N/fs", "workdir=N/work"]);
    const view = await clients.snapshots.view({ snapshotter, key: "view", parent: "one" }, options);
    expect(view.mounts).toMatchObject([{ type: "bind" }]);
  });
};

describeContract("snapshots", suite, snapshotterSubjects);
