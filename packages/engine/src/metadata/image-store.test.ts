import { expect, test } from "bun:test";
import { parseDigest } from "@ctr/oci";
import { openTestStore } from "../testing/test-store.ts";
import { EngineImages } from "./image-store.ts";

const { signal } = new AbortController();
const target = { mediaType: "x", digest: parseDigest(`sha256:${"a".repeat(64)}`), size: 1n };
const other = { ...target, digest: parseDigest(`sha256:${"b".repeat(64)}`), annotations: { a: "1" } };

test("EngineImages creates, updates, lists and deletes records of its namespace alone", async () => {
  using store = openTestStore();
  const images = new EngineImages(store, { namespace: "one", lease: undefined });
  const others = new EngineImages(store, { namespace: "two", lease: undefined });
  await images.create({ name: "i", target, labels: { a: "1" } });
  await expect(images.create({ name: "i", target })).rejects.toMatchObject({ code: "already_exists" });
  await expect(others.get("i")).rejects.toMatchObject({ code: "not_found" });
  expect(await images.update({ name: "i", labels: { b: "2" } }, ["labels.b"])).toMatchObject({
    target,
    labels: { a: "1", b: "2" },
  });
  expect(await images.update({ name: "i", target: other }, ["target"])).toMatchObject({ target: other });
  expect(
    await images.update({ name: "i", target: { ...target, annotations: { c: "3" } } }, ["annotations.c"]),
  ).toMatchObject({ target: { ...other, annotations: { a: "1", c: "3" } } });
  await expect(images.update({ name: "i" }, [])).rejects.toMatchObject({ code: "invalid_argument" });
  expect((await images.list(["annotations.c==3"])).map(({ name }) => name)).toEqual(["i"]);
  await images.delete("i", { signal, sync: true });
  expect(await images.list([])).toEqual([]);
});
