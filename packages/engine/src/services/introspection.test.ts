import { expect, test } from "bun:test";
import { openTestStore } from "../testing/test-store.ts";
import { healthService } from "./health.ts";
import { introspectionService } from "./introspection.ts";
import { versionService } from "./version.ts";

const context = { signal: new AbortController().signal, metadata: {} };

test("introspectionService() lists snapshotters that work, by filter", async () => {
  using store = openTestStore();
  const service = introspectionService(store);
  const { plugins = [] } = await service.plugins({ filters: ["type==io.containerd.snapshotter.v1"] }, context);
  expect(plugins.map(({ id, initErr }) => [id, initErr]).toSorted()).toEqual([
    ["native", undefined],
    ["overlayfs", undefined],
  ]);
  const all = await service.plugins({ filters: [] }, context);
  const ids = all.plugins?.map(({ type, id }) => `${type} ${id}`) ?? [];
  expect(new Set(ids).size).toBe(ids.length);
});

test("introspectionService() gives every process of a store one uuid", async () => {
  using store = openTestStore();
  const first = await introspectionService(store).server({}, context);
  const second = await introspectionService(store).server({}, context);
  expect(first.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(second.uuid).toBe(first.uuid);
  expect(first.pid).toBe(BigInt(process.pid));
});

test("introspectionService() asks the runtime about itself, and only that", async () => {
  using store = openTestStore();
  const extra = { typeUrl: "containerd.types.RuntimeInfo", value: Uint8Array.of(1) };
  const service = introspectionService(store, { runtimeInfo: async () => extra });
  const ask = (type: string, id: string) => service.pluginInfo({ type, id, options: undefined }, context);
  expect(await ask("io.containerd.runtime.v2", "task")).toMatchObject({ plugin: { id: "task" }, extra });
  await expect(ask("io.containerd.content.v1", "content")).rejects.toMatchObject({ code: "unimplemented" });
  await expect(ask("io.containerd.content.v1", "nope")).rejects.toMatchObject({ code: "not_found" });
});

test("healthService() knows the server as a whole, and a watch stays open", async () => {
  const service = healthService();
  expect(await service.check({ service: "" }, context)).toEqual({ status: 1 });
  await expect(service.check({ service: "x" }, context)).rejects.toMatchObject({ code: "not_found" });
  const end = new AbortController();
  const watch = service.watch({ service: "" }, { ...context, signal: end.signal })[Symbol.asyncIterator]();
  expect(await watch.next()).toEqual({ done: false, value: { status: 1 } });
  const last = watch.next();
  end.abort();
  expect(await last).toMatchObject({ done: true });
});

test("versionService() answers a version that semver can read", async () => {
  const { version = "" } = await versionService().version({}, context);
  expect(version).toMatch(/^v2\.\d+\.\d+\+ctr\.\d+\.\d+\.\d+$/);
});
