import { expect, test } from "bun:test";
import { anywhere, clientsOf, codeOf, describeContract, inNamespace } from "./subjects.ts";

describeContract("namespaces", (stage) => {
  test("are created once, listed, and read back with their labels", async () => {
    const { namespaces } = await clientsOf(stage.channel);
    const name = stage.newNamespace();
    // 1.6 tells of it in the namespace of the call, so there must be one.
    const made = await namespaces.create({ namespace: { name, labels: { a: "1", b: "" } } }, inNamespace(name));
    expect(made.namespace?.name).toBe(name);
    expect((await namespaces.get({ name }, anywhere())).namespace?.labels["a"]).toBe("1");
    expect((await namespaces.list({}, anywhere())).namespaces.map((namespace) => namespace.name)).toContain(name);
    expect(await codeOf(namespaces.create({ namespace: { name } }, anywhere()))).toBe("already_exists");
  });

  test.each(["", "-a", "a_", "a..b", "a b", "ä", "a".repeat(77)])("%j is no name", async (name) => {
    const { images, namespaces } = await clientsOf(stage.channel);
    expect(await codeOf(namespaces.create({ namespace: { name } }, anywhere()))).toBe("invalid_argument");
    // A header cannot carry just anything.
    if (/^[ -~]+$/.test(name)) expect(await codeOf(images.list({}, inNamespace(name)))).toBe("invalid_argument");
  });

  test("a call that needs one and names none is a failed precondition", async () => {
    const { images } = await clientsOf(stage.channel);
    expect(await codeOf(images.list({}, anywhere()))).toBe("failed_precondition");
  });

  test("an unknown one has no labels, and cannot be deleted", async () => {
    const { namespaces } = await clientsOf(stage.channel);
    const name = stage.newNamespace();
    expect((await namespaces.get({ name }, anywhere())).namespace).toEqual({ name, labels: {} });
    expect(await codeOf(namespaces.delete({ name }, anywhere()))).toBe("not_found");
  });

  test("the first write in one makes it", async () => {
    const { leases, namespaces } = await clientsOf(stage.channel);
    const name = stage.newNamespace();
    await leases.create({ id: "l" }, inNamespace(name));
    expect(await codeOf(namespaces.create({ namespace: { name } }, anywhere()))).toBe("already_exists");
  });

  test("an update names labels one by one, or replaces them all", async () => {
    const { namespaces } = await clientsOf(stage.channel);
    const name = stage.newNamespace();
    const labelsOf = async () => (await namespaces.get({ name }, anywhere())).namespace?.labels;
    const update = (labels: Readonly<Record<string, string>>, updateMask?: string[]) =>
      namespaces.update({ namespace: { name, labels }, updateMask }, inNamespace(name));
    await update({ "a.b/c": "1", d: "2" });
    expect(await labelsOf()).toEqual({ "a.b/c": "1", d: "2" });
    await update({ "a.b/c": "3", d: "4" }, ["labels.a.b/c"]);
    expect(await labelsOf()).toEqual({ "a.b/c": "3", d: "2" });
    await update({}, ["labels.d"]);
    expect(await labelsOf()).toEqual({ "a.b/c": "3" });
    await update({ e: "5" });
    expect(await labelsOf()).toEqual({ e: "5" });
    expect(await codeOf(update({}, ["labels"]))).toBe("invalid_argument");
    expect(await codeOf(update({}, ["name"]))).toBe("invalid_argument");
  });

  test("one with images or containers in it is kept; leases do not keep it", async () => {
    const { containers, images, leases, namespaces } = await clientsOf(stage.channel);
    const name = stage.newNamespace();
    const target = { mediaType: "x", digest: `sha256:${"0".repeat(64)}`, size: 1n };
    await images.create({ image: { name: "i", target } }, inNamespace(name));
    const spec = { typeUrl: "spec", value: new Uint8Array() };
    await containers.create({ container: { id: "c", runtime: { name: "r" }, spec } }, inNamespace(name));
    await leases.create({ id: "l" }, inNamespace(name));
    expect(await codeOf(namespaces.delete({ name }, anywhere()))).toBe("failed_precondition");
    await images.delete({ name: "i" }, inNamespace(name));
    expect(await codeOf(namespaces.delete({ name }, anywhere()))).toBe("failed_precondition");
    await containers.delete({ id: "c" }, inNamespace(name));
    expect(await codeOf(namespaces.delete({ name }, anywhere()))).toBe("ok");
    expect((await leases.list({}, inNamespace(name))).leases).toEqual([]);
  });
});
