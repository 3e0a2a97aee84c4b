import { expect, test } from "bun:test";
import { limitManifests } from "./children.ts";
import type { Descriptor } from "./descriptor.ts";
import { childGcLabelWithoutLayers, gcReferences, refKey } from "./gc-labels.ts";
import { encodeGoJson } from "./go-json.ts";
import { dispatchGraph, forEachLimited, readChildren, walkGraph } from "./graph.ts";
import { checkImage, findConfig, findManifest, imageSize, presentPlatforms, readPlatforms } from "./image-graph.ts";
import { mediaTypes } from "./media-type.ts";
import { formatPlatform, parsePlatform } from "./platform.ts";
import { onlyPlatform } from "./platform-match.ts";
import { MemoryContentStore } from "./testing/memory-content.ts";
import { buildImage, buildIndex, descriptorOf } from "./testing/test-image.ts";

const { signal } = new AbortController();
const encode = (text: string) => new TextEncoder().encode(text);
const amd64 = parsePlatform("linux/amd64");
const arm64 = parsePlatform("linux/arm64");
const first = buildImage([encode("a"), encode("b")], amd64);
const second = buildImage([encode("c")], arm64);
const { index, blobs } = buildIndex([second, first]);

function openStore(): MemoryContentStore {
  const store = new MemoryContentStore();
  for (const bytes of blobs.values()) store.add(bytes);
  return store;
}

test("readChildren() gives config before layers, and manifests in order", async () => {
  const store = openStore();
  expect(await readChildren(store, first.manifest, { signal })).toEqual([first.config, ...first.layers]);
  expect(await readChildren(store, index, { signal })).toEqual([second.manifest, first.manifest]);
  expect(await readChildren(store, first.config, { signal })).toEqual([]);
});

test("gcReferences() numbers each kind of child from 0", () => {
  const nested = { ...index, digest: second.config.digest };
  const children = [first.config, ...first.layers, first.manifest, second.config, nested, nested];
  const prefix = "containerd.io/gc.ref.content.";
  expect(gcReferences(children)).toEqual({
    [`${prefix}config`]: first.config.digest,
    [`${prefix}l.0`]: first.layers[0]?.digest ?? "",
    [`${prefix}l.1`]: first.layers[1]?.digest ?? "",
    [`${prefix}m.0`]: first.manifest.digest,
    [`${prefix}config1`]: second.config.digest,
    [`${prefix}0`]: nested.digest,
    [`${prefix}1`]: nested.digest,
  });
  expect(Object.keys(gcReferences(children, childGcLabelWithoutLayers))).not.toContain(`${prefix}l.0`);
});

test("refKey() is containerd's, with the name where an annotation gives one", () => {
  expect(refKey(first.config)).toBe(`config-${first.config.digest}`);
  const annotations = { "org.opencontainers.image.ref.name": "v1" };
  expect(refKey({ ...first.manifest, annotations })).toBe(`manifest-v1@${first.manifest.digest}`);
  expect(refKey({ ...first.config, mediaType: "text/plain" })).toBe(`unknown-${first.config.digest}`);
});

test("dispatchGraph() runs at most as many visits as it may", async () => {
  let running = 0;
  let most = 0;
  const visited: string[] = [];
  await dispatchGraph(
    index,
    async (descriptor) => {
      most = Math.max(most, ++running);
      visited.push(descriptor.digest);
      const children = await readChildren(openStore(), descriptor, { signal });
      running--;
      return children;
    },
    2,
  );
  expect(most).toBe(2);
  expect(visited).toHaveLength(8);
});

test("dispatchGraph() begins no visit after a failure, and throws it", async () => {
  const visited: Descriptor[] = [];
  const visit = async (descriptor: Descriptor) => {
    visited.push(descriptor);
    if (descriptor === index) return [first.manifest, second.manifest];
    throw new Error("no");
  };
  await expect(dispatchGraph(index, visit, 1)).rejects.toThrow("no");
  expect(visited).toHaveLength(2);
});

test("forEachLimited() ends with the first failure, after all have ended", async () => {
  const ended: number[] = [];
  const work = forEachLimited([1, 2, 3], 0, async (item) => {
    ended.push(item);
    if (item === 2) throw new Error("two");
  });
  await expect(work).rejects.toThrow("two");
  expect(ended).toEqual([1, 2, 3]);
});

test("walkGraph() does not follow indexes for ever", async () => {
  await expect(walkGraph(index, async (descriptor) => [descriptor])).rejects.toThrow("nested more than 32 deep");
});

test("limitManifests() takes the best, and says when there is none", () => {
  const children = [second.manifest, first.manifest];
  const best = limitManifests(index, children, { matcher: onlyPlatform(arm64), limit: 1 });
  expect(best).toEqual([second.manifest]);
  const none = { matcher: onlyPlatform(parsePlatform("linux/s390x")), limit: 1 };
  expect(() => limitManifests(index, children, none)).toThrow(
    `no match for platform in manifest ${index.digest}: not found`,
  );
  expect(limitManifests(first.manifest, children, none)).toBe(children);
});

test("findManifest() and findConfig() follow the platform", async () => {
  const store = openStore();
  const options = { signal, matcher: onlyPlatform(amd64) };
  expect((await findManifest(store, index, options)).descriptor).toEqual(first.manifest);
  expect((await findConfig(store, index, options)).config.diffIDs).toEqual(first.diffIDs);
});

test("findManifest() judges a manifest without platform by its config", async () => {
  const { platform: _platform, ...bare } = second.manifest;
  const store = openStore();
  const listed = buildIndex([{ ...second, manifest: bare }]);
  for (const bytes of listed.blobs.values()) store.add(bytes);
  const find = (text: string) =>
    findManifest(store, listed.index, { signal, matcher: onlyPlatform(parsePlatform(text)) });
  expect((await find("linux/arm64")).descriptor).toEqual(bare);
  await expect(find("linux/s390x")).rejects.toMatchObject({ code: "not_found" });
});

test("imageSize() sums one platform, and what it could when a part is missing", async () => {
  const store = openStore();
  const options = { signal, matcher: onlyPlatform(amd64) };
  const sum = [index, first.manifest, first.config, ...first.layers].reduce((total, one) => total + one.size, 0n);
  expect(await imageSize(store, index, options)).toEqual({ size: sum, fault: undefined });
  const none = await imageSize(store, index, { signal, matcher: onlyPlatform(parsePlatform("linux/s390x")) });
  expect(none).toMatchObject({ size: index.size, fault: { code: "not_found" } });
});

test("readPlatforms() lists what is named, presentPlatforms() what is there", async () => {
  const store = openStore();
  store.blobs.delete(second.config.digest);
  const format = async (platforms: ReturnType<typeof readPlatforms>) => (await platforms).map(formatPlatform);
  expect(await format(readPlatforms(store, index, { signal }))).toEqual(["linux/arm64", "linux/amd64"]);
  expect(await format(presentPlatforms(store, index, { signal }))).toEqual(["linux/amd64"]);
});

test("checkImage() tells what is there of what is needed", async () => {
  const store = openStore();
  const layer = first.layers[1] ?? first.config;
  store.blobs.delete(layer.digest);
  const options = { signal, matcher: onlyPlatform(amd64) };
  expect(await checkImage(store, index, options)).toMatchObject({ known: true, missing: [layer] });
  store.blobs.delete(first.manifest.digest);
  expect(await checkImage(store, index, options)).toEqual({
    known: false,
    required: [index],
    present: [],
    missing: [index],
  });
});

test("R12: a document larger than the cap is not read", async () => {
  const store = new MemoryContentStore();
  const bytes = encodeGoJson({ manifests: [], annotations: { x: "x".repeat(8 * 1024 * 1024) } });
  store.add(bytes);
  const huge = descriptorOf(mediaTypes.ociIndex, bytes);
  await expect(readChildren(store, huge, { signal })).rejects.toMatchObject({ code: "resource_exhausted" });
});
