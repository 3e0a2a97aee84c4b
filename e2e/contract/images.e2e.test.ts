import { expect, test } from "bun:test";
import { clientsOf, codeOf, describeContract, inNamespace } from "./subjects.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const target = { mediaType: "application/x", digest: digest("a"), size: 7n };
const other = { mediaType: "application/y", digest: digest("b"), size: 8n };

describeContract("images", (stage) => {
  test("are created once and read back, empty labels dropped", async () => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const wanted = { name: "any text, even this/", target, labels: { a: "1", b: "" }, createdAt: { seconds: 1n } };
    const { image } = await images.create({ image: wanted }, options);
    const { image: read } = await images.get({ name: wanted.name }, options);
    expect(read?.labels).toEqual({ a: "1" });
    expect(read?.target).toEqual({ ...target, annotations: {} });
    expect(read?.createdAt?.seconds).toBeGreaterThan(1n);
    expect(read?.createdAt).toEqual(image?.createdAt);
    expect(await codeOf(images.create({ image: wanted }, options))).toBe("already_exists");
    expect(await codeOf(images.get({ name: "nope" }, options))).toBe("not_found");
  });

  test.each([
    ["no name", { name: "", target }],
    ["no digest", { name: "i", target: { ...target, digest: "" } }],
    ["a digest that is none", { name: "i", target: { ...target, digest: "sha256:00" } }],
    ["no size", { name: "i", target: { ...target, size: 0n } }],
    ["no media type", { name: "i", target: { ...target, mediaType: "" } }],
    ["a label too long", { name: "i", target, labels: { a: "x".repeat(4096) } }],
  ])("%s is refused", async (_what, image) => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    expect(await codeOf(images.create({ image }, options))).toBe("invalid_argument");
  });

  test("a label just short enough is taken", async () => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    expect(
      await codeOf(images.create({ image: { name: "i", target, labels: { a: "x".repeat(4095) } } }, options)),
    ).toBe("ok");
  });

  test("an update without a mask replaces all but the time of creation", async () => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    const { image: before } = await images.create(
      { image: { name: "i", target, labels: { a: "1", b: "2" } } },
      options,
    );
    const { image: after } = await images.update({ image: { name: "i", target: other, labels: { b: "3" } } }, options);
    expect(after?.target?.digest).toBe(other.digest);
    expect(after?.labels).toEqual({ b: "3" });
    expect(after?.createdAt).toEqual(before?.createdAt);
    expect(await codeOf(images.update({ image: { name: "nope", target } }, options))).toBe("not_found");
  });

  test("an update changes what its mask names", async () => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await images.create({ image: { name: "i", target, labels: { a: "1", "b.c/d": "2" } } }, options);
    const update = async (labels: Readonly<Record<string, string>>, ...updateMask: string[]) =>
      (await images.update({ image: { name: "i", target: other, labels }, updateMask }, options)).image;
    expect((await update({ "b.c/d": "3", a: "4" }, "labels.b.c/d"))?.labels).toEqual({ a: "1", "b.c/d": "3" });
    expect((await update({}, "labels.a"))?.labels).toEqual({ "b.c/d": "3" });
    expect((await update({ e: "5" }, "labels"))?.labels).toEqual({ e: "5" });
    expect((await update({}, "target"))?.target?.digest).toBe(other.digest);
    expect(await codeOf(update({}, "name"))).toBe("invalid_argument");
    expect((await images.get({ name: "i" }, options)).image?.labels).toEqual({ e: "5" });
  });

  test("are listed by filter", async () => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await images.create({ image: { name: "docker.io/library/a:1", target, labels: { "x.y/z": "1" } } }, options);
    await images.create({ image: { name: "b", target: other } }, options);
    const names = async (...filters: string[]) =>
      (await images.list({ filters }, options)).images.map(({ name }) => name);
    expect(await names()).toEqual(["b", "docker.io/library/a:1"]);
    expect(await names("name==docker.io/library/a:1")).toEqual(["docker.io/library/a:1"]);
    expect(await names(`target.digest==${other.digest}`)).toEqual(["b"]);
    expect(await names("target.mediatype==application/y")).toEqual(["b"]);
    expect(await names('target.mediatype=="application/x"')).toEqual(["docker.io/library/a:1"]);
    expect(await names('labels."x.y/z"')).toEqual(["docker.io/library/a:1"]);
    expect(await names("labels.nope!=1")).toEqual(["b", "docker.io/library/a:1"]);
    expect(await names("name~=^docker", "name==b")).toEqual(["b", "docker.io/library/a:1"]);
    expect(await codeOf(names("name=b"))).toBe("invalid_argument");
  });

  test("are deleted once", async () => {
    const { images } = await clientsOf(stage.channel);
    const options = inNamespace(stage.newNamespace());
    await images.create({ image: { name: "i", target } }, options);
    expect(await codeOf(images.delete({ name: "i" }, options))).toBe("ok");
    expect(await codeOf(images.delete({ name: "i" }, options))).toBe("not_found");
  });

  if (stage.subject.api !== "1.6") {
    test("since 2.0 a deletion may name the digest it is about", async () => {
      const { images } = await clientsOf(stage.channel);
      const options = inNamespace(stage.newNamespace());
      await images.create({ image: { name: "i", target } }, options);
      expect(await codeOf(images.delete({ name: "i", target: other }, options))).toBe("not_found");
      expect(await codeOf(images.delete({ name: "i", target }, options))).toBe("ok");
    });
  }
});
