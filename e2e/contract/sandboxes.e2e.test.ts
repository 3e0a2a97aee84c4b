import { expect, test } from "bun:test";
import { services } from "@ctr/api";
import { createClient } from "@ctr/rpc";
import { anywhere, codeOf, describeContract, inNamespace } from "./subjects.ts";

const spec = (text: string) => ({ typeUrl: "types.test/spec", value: new TextEncoder().encode(text) });

describeContract("sandbox store", (stage) => {
  const open = async () => {
    const store = createClient(await services.sandboxStore(), stage.channel);
    const options = inNamespace(stage.newNamespace());
    const create = (sandboxId: string, labels: Readonly<Record<string, string>> = {}) =>
      store.create(
        { sandbox: { sandboxId, runtime: { name: "io.containerd.runc.v2" }, spec: spec("1"), labels } },
        options,
      );
    return { store, options, create };
  };

  if (stage.subject.api === "1.6") {
    test("is not there yet in 1.6", async () => {
      const { store, options } = await open();
      expect(await codeOf(store.list({}, options))).toBe("unimplemented");
    });
    return;
  }

  test("sandboxes are created once, read back, listed by filter, deleted", async () => {
    const { store, options, create } = await open();
    const { sandbox } = await create("pod", { app: "web" });
    expect(sandbox).toMatchObject({ sandboxId: "pod", labels: { app: "web" }, spec: spec("1") });
    expect(sandbox?.createdAt).toBeDefined();
    expect(await codeOf(create("pod"))).toBe("already_exists");
    await create("other");
    const ids = async (...filters: string[]) =>
      (await store.list({ filters }, options)).list.map(({ sandboxId }) => sandboxId);
    expect(await ids()).toEqual(["other", "pod"]);
    expect(await ids("labels.app==web")).toEqual(["pod"]);
    expect(await ids("id==other")).toEqual(["other"]);
    await store.delete({ sandboxId: "pod" }, options);
    expect(await codeOf(store.get({ sandboxId: "pod" }, options))).toBe("not_found");
    expect(await codeOf(store.delete({ sandboxId: "pod" }, options))).toBe("not_found");
  });

  test.each(["", "-a", "a b", "a".repeat(77)])("%j is no id", async (id) => {
    expect(await codeOf((await open()).create(id))).toBe("invalid_argument");
  });

  test("a call needs a namespace, and sees none but its own", async () => {
    const { store, create } = await open();
    await create("mine");
    expect(await codeOf(store.list({}, anywhere()))).toBe("failed_precondition");
    expect((await store.list({}, inNamespace(stage.newNamespace()))).list).toEqual([]);
  });

  test("an update replaces what its mask names, and keeps the runtime's name", async () => {
    const { store, options, create } = await open();
    await create("pod", { a: "1", b: "2" });
    const update = (fields: string[], given: object) =>
      store.update({ sandbox: { sandboxId: "pod", ...given }, fields }, options);
    expect((await update(["labels.a"], { labels: { a: "3", b: "4" } })).sandbox?.labels).toEqual({ a: "3", b: "2" });
    expect((await update(["spec"], { spec: spec("2"), labels: {} })).sandbox).toMatchObject({
      spec: spec("2"),
      labels: { a: "3", b: "2" },
    });
    expect((await update(["extensions.x"], { extensions: { x: spec("e") } })).sandbox?.extensions).toEqual({
      x: spec("e"),
    });
    expect(await codeOf(update(["sandbox_id"], {}))).toBe("invalid_argument");
    expect(await codeOf(update(["runtime"], { runtime: { name: "another" } }))).not.toBe("ok");
    expect(await codeOf(store.update({ sandbox: { sandboxId: "nobody" }, fields: ["labels"] }, options))).toBe(
      "not_found",
    );
  });
});
