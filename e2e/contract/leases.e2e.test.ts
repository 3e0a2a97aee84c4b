import { expect, test } from "bun:test";
import { clientsOf, codeOf, describeContract, inNamespace, writeBlob } from "./subjects.ts";

const digest = `sha256:${"c".repeat(64)}`;

describeContract("leases", (stage) => {
  test("are created once, under any name, or one that is made up", async () => {
    const { leases } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const { lease } = await leases.create({ id: "any text/ ", labels: { a: "1", b: "" } }, options);
    expect(lease?.createdAt?.seconds).toBeGreaterThan(0n);
    expect(await codeOf(leases.create({ id: "any text/ " }, options))).toBe("already_exists");
    const { lease: named } = await leases.create({}, options);
    expect(named?.id).toMatch(/^\d{1,9}-[\w-]{4}$/);
    const { leases: all } = await leases.list({}, options);
    expect(all.map(({ id, labels }) => ({ id, labels }))).toContainEqual({ id: "any text/ ", labels: { a: "1" } });
    expect(all).toHaveLength(2);
  });

  test("are listed by filter and deleted once", async () => {
    const { leases } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await leases.create({ id: "one", labels: { k: "v" } }, options);
    await leases.create({ id: "two" }, options);
    const ids = async (...filters: string[]) => (await leases.list({ filters }, options)).leases.map(({ id }) => id);
    expect(await ids("id==two")).toEqual(["two"]);
    expect(await ids("labels.k==v")).toEqual(["one"]);
    expect(await codeOf(ids("id=two"))).toBe("invalid_argument");
    expect(await codeOf(leases.delete({ id: "one" }, options))).toBe("ok");
    expect(await codeOf(leases.delete({ id: "one" }, options))).toBe("not_found");
  });

  test("keep resources that need not be there", async () => {
    const { leases } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await leases.create({ id: "l" }, options);
    const add = (type: string, id: string) => leases.addResource({ id: "l", resource: { type, id } }, options);
    await add("snapshots/overlayfs", "key");
    await add("ingests", "ref/1");
    await add("content", digest);
    await add("content", digest);
    const { resources } = await leases.listResources({ id: "l" }, options);
    expect(resources).toEqual([
      { type: "content", id: digest },
      { type: "ingests", id: "ref/1" },
      { type: "snapshots/overlayfs", id: "key" },
    ]);
    const remove = (type: string, id: string) => leases.deleteResource({ id: "l", resource: { type, id } }, options);
    expect(await codeOf(remove("ingests", "ref/1"))).toBe("ok");
    expect(await codeOf(remove("ingests", "never added"))).toBe("ok");
    expect((await leases.listResources({ id: "l" }, options)).resources).toHaveLength(2);
  });

  test.each([
    ["content", "no digest", "invalid_argument"],
    ["snapshots", "key", "invalid_argument"],
    ["mounts", "m", "unimplemented"],
    ["", "x", "unimplemented"],
  ])("a resource of type %j and id %j is refused", async (type, id, code) => {
    const { leases } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await leases.create({ id: "l" }, options);
    expect(await codeOf(leases.addResource({ id: "l", resource: { type, id } }, options))).toBe(code);
    expect(await codeOf(leases.deleteResource({ id: "l", resource: { type, id } }, options))).toBe(code);
  });

  test("an unknown one has no resources", async () => {
    const { leases } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const resource = { type: "content", id: digest };
    expect(await codeOf(leases.listResources({ id: "nope" }, options))).toBe("not_found");
    expect(await codeOf(leases.addResource({ id: "nope", resource }, options))).toBe("not_found");
    expect(await codeOf(leases.deleteResource({ id: "nope", resource }, options))).toBe("not_found");
  });

  test("a write under one is added to it, and fails when there is none", async () => {
    const clients = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    await clients.leases.create({ id: "l" }, inNamespace(namespace));
    const blob = await writeBlob(clients, "leased", inNamespace(namespace, "l"));
    const { resources } = await clients.leases.listResources({ id: "l" }, inNamespace(namespace));
    expect(resources).toEqual([{ type: "content", id: blob }]);
    expect(await codeOf(writeBlob(clients, "unleased", inNamespace(namespace, "nope")))).toBe("not_found");
  });

  test("a snapshot stays with its lease when it is committed", async () => {
    const { leases, snapshots } = await clientsOf(stage.channel);
    const namespace = stage.newNamespace();
    const leased = inNamespace(namespace, "l");
    await leases.create({ id: "l" }, inNamespace(namespace));
    await snapshots.prepare({ snapshotter: "native", key: "k" }, leased);
    await snapshots.commit({ snapshotter: "native", key: "k", name: "n" }, leased);
    const { resources } = await leases.listResources({ id: "l" }, leased);
    expect(resources).toEqual([{ type: "snapshots/native", id: "n" }]);
  });
});
