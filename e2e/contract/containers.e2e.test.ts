import { expect, test } from "bun:test";
import { clientsOf, codeOf, describeContract, gather, inNamespace } from "./subjects.ts";

const any = (typeUrl: string, text: string) => ({ typeUrl, value: new TextEncoder().encode(text) });
const runtime = { name: "io.containerd.runc.v2", options: any("some.Options", "o") };
const spec = any("types.containerd.io/opencontainers/runtime-spec/1/Spec", "{}");
const base = {
  id: "c",
  image: "img",
  runtime,
  spec,
  snapshotter: "overlayfs",
  snapshotKey: "c",
  labels: { a: "1", b: "" },
};

describeContract("containers", (stage) => {
  test("come back as they went in, with times and without empty labels", async () => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const extensions = { "ext/1": any("ext.Type", "e") };
    await containers.create({ container: { ...base, extensions } }, options);
    const { container } = await containers.get({ id: "c" }, options);
    expect(container).toMatchObject({ ...base, labels: { a: "1" }, extensions });
    expect(container?.createdAt?.seconds).toBeGreaterThan(0n);
    expect(container?.updatedAt).toEqual(container?.createdAt);
    expect(await codeOf(containers.create({ container: base }, options))).toBe("already_exists");
    expect(await codeOf(containers.get({ id: "nope" }, options))).toBe("not_found");
  });

  test.each([
    ["no id", { ...base, id: "" }],
    ["an id with a slash", { ...base, id: "a/b" }],
    ["an id too long", { ...base, id: "a".repeat(77) }],
    ["no runtime", { ...base, runtime: undefined }],
    ["a runtime without a name", { ...base, runtime: { name: "" } }],
    ["a snapshot of no snapshotter", { ...base, snapshotter: "" }],
    ["an extension without a name", { ...base, extensions: { "": any("t", "x") } }],
    ["a label too long", { ...base, labels: { a: "x".repeat(4096) } }],
  ])("%s is refused", async (_what, container) => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    expect(await codeOf(containers.create({ container }, options))).toBe("invalid_argument");
  });

  test("an extension without a type is refused, since 1.7", async () => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const container = { ...base, extensions: { e: any("", "x") } };
    const code = stage.subject.api === "1.6" ? "ok" : "invalid_argument";
    expect(await codeOf(containers.create({ container }, options))).toBe(code);
  });

  test("an update changes what its mask names", async () => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await containers.create({ container: { ...base, extensions: { one: any("t", "1") } } }, options);
    const changed = {
      ...base,
      image: "img2",
      snapshotKey: "key2",
      labels: { a: "2", c: "3" },
      spec: any("spec", "2"),
      extensions: { two: any("t", "2") },
    };
    const update = async (...updateMask: string[]) =>
      (await containers.update({ container: changed, updateMask }, options)).container;
    expect(await update("labels.c")).toMatchObject({ labels: { a: "1", c: "3" }, image: "img" });
    expect(await update("image", "snapshotkey")).toMatchObject({ image: "img2", snapshotKey: "key2" });
    expect(await update("extensions.two")).toMatchObject({ extensions: { one: any("t", "1"), two: any("t", "2") } });
    expect((await update("extensions"))?.extensions).toEqual({ two: any("t", "2") });
    expect((await update("labels"))?.labels).toEqual({ a: "2", c: "3" });
    expect((await update("spec"))?.spec).toEqual(any("spec", "2"));
    for (const path of ["id", "runtime", "snapshotter", "snapshot_key", "created_at"]) {
      expect([path, await codeOf(update(path))]).toEqual([path, "invalid_argument"]);
    }
  });

  test("an update without a mask replaces all, and may not change runtime or snapshotter", async () => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const { container: before } = await containers.create({ container: base }, options);
    const update = (container: object) => containers.update({ container: { ...base, ...container } }, options);
    const { container } = await update({ labels: { z: "1" }, image: "" });
    expect(container).toMatchObject({ labels: { z: "1" }, image: "", createdAt: before?.createdAt });
    expect(await codeOf(update({ snapshotter: "native" }))).toBe("invalid_argument");
    expect(await codeOf(update({ runtime: { name: "other" } }))).toBe("invalid_argument");
    expect(await codeOf(update({ id: "nope" }))).toBe("not_found");
    expect(await codeOf(update({ id: "" }))).toBe("invalid_argument");
  });

  test("are listed by filter, whole and as a stream", async () => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await containers.create({ container: base }, options);
    await containers.create({ container: { ...base, id: "d", image: "other", labels: {} } }, options);
    const ids = async (...filters: string[]) =>
      (await containers.list({ filters }, options)).containers.map(({ id }) => id);
    expect(await ids()).toEqual(["c", "d"]);
    expect(await ids("id==c", "image==other")).toEqual(["c", "d"]);
    expect(await ids("id~=|^d$|,image==other")).toEqual(["d"]);
    expect(await ids("runtime.name==io.containerd.runc.v2")).toEqual(["c", "d"]);
    expect(await ids("labels.a==1")).toEqual(["c"]);
    expect(await codeOf(ids("id=="))).toBe("invalid_argument");
    const streamed = await gather(containers.listStream({ filters: ["id==d"] }, options));
    expect(streamed.map(({ container }) => container?.id)).toEqual(["d"]);
  });

  test("are deleted once", async () => {
    const { containers } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await containers.create({ container: base }, options);
    expect(await codeOf(containers.delete({ id: "c" }, options))).toBe("ok");
    expect(await codeOf(containers.delete({ id: "c" }, options))).toBe("not_found");
  });
});
