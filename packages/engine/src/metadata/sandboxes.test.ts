import { expect, test } from "bun:test";
import { NAMESPACE_HEADER, type sandboxTypes } from "@ctr/api";
import { sandboxStoreService } from "../services/sandboxes.ts";
import { openTestStore } from "../testing/test-store.ts";

const context = { signal: new AbortController().signal, metadata: { [NAMESPACE_HEADER]: "ns" } };
const any = (text: string) => ({ typeUrl: "some.Type", value: new TextEncoder().encode(text) });

const sandbox: sandboxTypes.Sandbox = {
  sandboxId: "s",
  runtime: { name: "io.containerd.runc.v2", options: any("options") },
  spec: any("spec"),
  labels: { a: "1", b: "" },
  createdAt: undefined,
  updatedAt: undefined,
  extensions: { "one/1": any("one") },
  sandboxer: "shim",
};

test("sandboxes come back as they went in, and are created once", async () => {
  using store = openTestStore();
  const service = sandboxStoreService(store);
  await service.create({ sandbox }, context);
  await expect(service.create({ sandbox }, context)).rejects.toMatchObject({ code: "already_exists" });
  const made = { seconds: expect.any(BigInt), nanos: expect.any(Number) };
  const { sandbox: found } = await service.get({ sandboxId: "s" }, context);
  expect(found).toMatchObject({ ...sandbox, labels: { a: "1" }, createdAt: made, updatedAt: made });
  expect((await service.list({ filters: ["labels.a==1"] }, context)).list?.map((one) => one?.sandboxId)).toEqual(["s"]);
  expect((await service.list({ filters: ["id==t"] }, context)).list).toEqual([]);
  await expect(service.create({ sandbox: { ...sandbox, sandboxId: "a/b" } }, context)).rejects.toMatchObject({
    code: "invalid_argument",
  });
});

test("an update changes what its fields name, but never the runtime's name", async () => {
  using store = openTestStore();
  const service = sandboxStoreService(store);
  await service.create({ sandbox }, context);
  const changed = { ...sandbox, labels: { c: "2" }, spec: any("spec 2"), extensions: { "two/2": any("two") } };
  const update = async (given: sandboxTypes.Sandbox, ...fields: string[]) =>
    (await service.update({ sandbox: given, fields }, context)).sandbox;
  expect((await update(changed, "labels.c"))?.labels).toEqual({ a: "1", c: "2" });
  expect(Object.keys((await update(changed, "extensions.two/2"))?.extensions ?? {})).toEqual(["one/1", "two/2"]);
  expect(await update(changed)).toMatchObject({
    labels: { c: "2" },
    spec: any("spec 2"),
    extensions: changed.extensions,
  });
  const renamed = { ...changed, runtime: { name: "other", options: undefined } };
  await expect(update(renamed)).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(update(changed, "sandboxer")).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(update({ ...changed, sandboxId: "nope" })).rejects.toMatchObject({ code: "not_found" });
});

test("a sandbox is deleted once", async () => {
  using store = openTestStore();
  const service = sandboxStoreService(store);
  await service.create({ sandbox }, context);
  await service.delete({ sandboxId: "s" }, context);
  await expect(service.delete({ sandboxId: "s" }, context)).rejects.toMatchObject({ code: "not_found" });
});
