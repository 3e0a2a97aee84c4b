import { expect, test } from "bun:test";
import { collectBytes } from "../blob.ts";
import { digestHex, digestOf } from "../digest.ts";
import { encodeGoJson } from "../go-json.ts";
import { parseIndex } from "../manifest.ts";
import { mediaTypes } from "../media-type.ts";
import { parsePlatform } from "../platform.ts";
import { allPlatforms, onlyPlatform, onlyStrictPlatform } from "../platform-match.ts";
import { MemoryContentStore } from "../testing/memory-content.ts";
import { buildImage, buildIndex, descriptorOf } from "../testing/test-image.ts";
import { exportArchive } from "./export.ts";
import { importArchive } from "./import.ts";
import { defaultImportPrefix, importNames } from "./names.ts";
import { readTar } from "./tar-reader.ts";
import { type TarMember, writeTar } from "./tar-writer.ts";

const { signal } = new AbortController();
const encode = (text: string) => new TextEncoder().encode(text);
const amd64 = parsePlatform("linux/amd64");
const image = buildImage([encode("base"), encode("top")], amd64);
const other = buildImage([encode("arm")], parsePlatform("linux/arm64"));
const { index, blobs } = buildIndex([image, other]);
const matcher = onlyStrictPlatform(amd64);
const naming = { prefix: "import-2026-11-23" };

function openStore(): MemoryContentStore {
  const store = new MemoryContentStore();
  for (const bytes of blobs.values()) store.add(bytes);
  return store;
}

function file(name: string, bytes: Uint8Array): TarMember {
  return {
    name,
    mode: 0o644,
    size: BigInt(bytes.byteLength),
    async *open() {
      yield bytes;
    },
  };
}

async function listed(archive: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for await (const entry of readTar(archive)) {
    files.set(entry.name, new TextDecoder().decode(await collectBytes(entry.body, 1 << 20)));
  }
  return files;
}

const blobName = (digest: (typeof index)["digest"]) => `blobs/sha256/${digestHex(digest)}`;

test("exportArchive() writes an OCI layout with Docker's list, sorted, of the platform asked for", async () => {
  const images = [{ name: "docker.io/library/alpine:3", target: index }];
  const files = await listed(exportArchive(openStore(), images, { signal, matcher }));
  const digests = [index, image.manifest, image.config, ...image.layers].map((one) => blobName(one.digest));
  expect([...files.keys()]).toEqual([
    "blobs/",
    "blobs/sha256/",
    ...digests.toSorted(),
    "index.json",
    "manifest.json",
    "oci-layout",
  ]);
  expect(files.get("oci-layout")).toBe(`{"imageLayoutVersion":"1.0.0"}`);
  expect(files.get("index.json")).toBe(
    `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[{"mediaType":"${mediaTypes.ociIndex}","digest":"${index.digest}",` +
      `"size":${index.size},"annotations":{"io.containerd.image.name":"docker.io/library/alpine:3","org.opencontainers.image.ref.name":"3"}}]}`,
  );
  expect(JSON.parse(files.get("manifest.json") ?? "")).toEqual([
    {
      Config: blobName(image.config.digest),
      RepoTags: ["alpine:3"],
      Layers: image.layers.map((one) => blobName(one.digest)),
    },
  ]);
});

test("exportArchive() writes equal bytes for equal content", async () => {
  const images = [{ name: "a.example/b:1", target: image.manifest }];
  const bytes = () => collectBytes(exportArchive(openStore(), images, { signal, matcher }), 1 << 20);
  expect(await bytes()).toEqual(await bytes());
});

test("exportArchive() says so when nothing fits, or when all platforms are wanted and a part is missing", async () => {
  const images = [{ name: "a.example/b:1", target: index }];
  const s390x = onlyStrictPlatform(parsePlatform("linux/s390x"));
  const none = collectBytes(exportArchive(openStore(), images, { signal, matcher: s390x }), 1 << 20);
  await expect(none).rejects.toThrow("no manifest found for platform: not found");
  const store = openStore();
  store.blobs.delete(digestOf(encode("arm")));
  const options = { signal, matcher, allPlatforms: true };
  const broken = collectBytes(exportArchive(store, images, options), 1 << 20);
  await expect(broken).rejects.toThrow(/^failed to get reader: content digest sha256:/);
});

test("exportArchive() does not hand on a blob that has gone bad", async () => {
  const store = openStore();
  store.blobs.set(digestOf(encode("top")), { bytes: encode("TOP"), labels: {} });
  const images = [{ name: "a.example/b:1", target: image.manifest }];
  await expect(collectBytes(exportArchive(store, images, { signal, matcher }), 1 << 20)).rejects.toThrow(
    "unexpected digest",
  );
});

test("importArchive() brings back what exportArchive() wrote", async () => {
  const images = [{ name: "docker.io/library/alpine:3", target: index }];
  const store = new MemoryContentStore();
  const archive = exportArchive(openStore(), images, { signal, matcher: allPlatforms, allPlatforms: true });
  const imported = await importArchive(store, archive, { signal, matcher: allPlatforms, naming });
  expect(imported.images.map((one) => [one.name, one.target.digest])).toEqual([
    ["docker.io/library/alpine:3", index.digest],
  ]);
  for (const [digest, bytes] of blobs) expect(store.blobs.get(digest)?.bytes).toEqual(bytes);
  expect(store.blobs.get(image.manifest.digest)?.labels).toMatchObject({
    "containerd.io/gc.ref.content.config": image.config.digest,
  });
});

test("importArchive() takes an archive a second time, whose index is there already", async () => {
  const store = new MemoryContentStore();
  const archive = () => exportArchive(openStore(), [{ name: "a.example/b:1", target: index }], { signal, matcher });
  const first = await importArchive(store, archive(), { signal, matcher, naming });
  const second = await importArchive(store, archive(), { signal, matcher, naming });
  expect(second).toEqual(first);
});

test("importArchive() does without what runs here too, but less well, and without nothing else", async () => {
  const lesser = buildImage([encode("386")], parsePlatform("linux/386"));
  const both = buildIndex([lesser, image]);
  const archive = (missing: ReadonlySet<string>) => {
    const members = [...both.blobs].filter(([digest]) => !missing.has(digest));
    const entry = { mediaType: both.index.mediaType, digest: both.index.digest, size: Number(both.index.size) };
    return writeTar([
      ...members.map(([digest, bytes]) => file(blobName(digest), bytes)),
      file("index.json", encodeGoJson({ schemaVersion: 2, manifests: [entry] })),
      file("oci-layout", encode(`{"imageLayoutVersion":"1.0.0"}`)),
    ]);
  };
  const load = async (missing: readonly string[], platforms = onlyPlatform(amd64)) => {
    const store = new MemoryContentStore();
    await importArchive(store, archive(new Set(missing)), { signal, matcher: platforms, naming });
    return Object.keys(store.blobs.get(both.index.digest)?.labels ?? {});
  };
  expect(await load([])).toHaveLength(2);
  expect(await load([lesser.manifest.digest])).toHaveLength(1);
  await expect(load([image.manifest.digest])).rejects.toThrow(`${image.manifest.digest}: not found`);
  await expect(load([lesser.manifest.digest], allPlatforms)).rejects.toThrow(`${lesser.manifest.digest}: not found`);
});

const config = image.blobs.get(image.config.digest) ?? new Uint8Array();
const dockerList = encodeGoJson([
  { Config: "c.json", RepoTags: ["busy:1", "me/app"], Layers: ["1/layer.tar", "2/layer.tar"] },
]);
const dockerMembers = [
  file("2/layer.tar", encode("top")),
  file("./manifest.json", dockerList),
  file("1/layer.tar", encode("base")),
  file("c.json", config),
];

test("importArchive() makes manifests for a docker save archive, whatever the order of its members", async () => {
  const store = new MemoryContentStore();
  const imported = await importArchive(store, writeTar(dockerMembers), {
    signal,
    matcher: onlyPlatform(amd64),
    naming,
  });
  expect(imported.images.map((one) => one.name)).toEqual(["docker.io/library/busy:1", "docker.io/me/app:latest"]);
  const bytes = store.blobs.get(imported.index.digest)?.bytes ?? new Uint8Array();
  const [manifest] = parseIndex(bytes, imported.index).manifests;
  expect(manifest).toMatchObject({
    mediaType: mediaTypes.dockerManifest,
    platform: amd64,
    annotations: { "io.containerd.image.name": "docker.io/library/busy:1", "org.opencontainers.image.ref.name": "1" },
  });
  const text = new TextDecoder().decode(store.blobs.get(manifest?.digest ?? index.digest)?.bytes);
  expect(text).toStartWith(
    `{"schemaVersion":2,"mediaType":"${mediaTypes.dockerManifest}","config":{"mediaType":"${mediaTypes.dockerConfig}",`,
  );
  expect(text).toContain(mediaTypes.dockerLayer);
});

test("importArchive() with compress stores layers as gzip, named after what they unpack to", async () => {
  const store = new MemoryContentStore();
  await importArchive(store, writeTar(dockerMembers), { signal, matcher: allPlatforms, naming, compress: true });
  const labels = [...store.blobs.values()].map((blob) => blob.labels["containerd.io/uncompressed"]);
  expect(labels).toContain(digestOf(encode("base")));
  expect(labels).toContain(digestOf(encode("top")));
});

test("importArchive() uses a pulled layer for a saved one", async () => {
  const store = new MemoryContentStore();
  const pulled = store.add(Bun.gzipSync(encode("base")), { "containerd.io/uncompressed": digestOf(encode("base")) });
  const imported = await importArchive(store, writeTar(dockerMembers), { signal, matcher: allPlatforms, naming });
  const manifest = store.blobs.get(imported.images[0]?.target.digest ?? index.digest)?.bytes;
  expect(new TextDecoder().decode(manifest)).toContain(
    `{"mediaType":"${mediaTypes.dockerLayerGzip}","digest":"${pulled}"`,
  );
});

test.each([
  ["neither of the two formats", [file("a", encode("x"))], "unrecognized image format"],
  ["nothing at all", [], "unrecognized image format"],
  [
    "a layout of another version",
    [file("oci-layout", encode(`{"imageLayoutVersion":"2"}`))],
    "unsupported OCI version 2",
  ],
  ["a layout without index", [file("oci-layout", encode(`{"imageLayoutVersion":"1.0.0"}`))], "missing index.json"],
  ["a list that is none", [file("manifest.json", encode("{}"))], "manifest.json is not a list"],
  ["a config that is missing", [file("manifest.json", dockerList)], `image config "c.json" not found`],
  [
    "a layer that is missing",
    [file("manifest.json", dockerList), file("c.json", config)],
    `layer "1/layer.tar" not found`,
  ],
])("importArchive() refuses %s", async (_what, members, message) => {
  const attempt = importArchive(new MemoryContentStore(), writeTar(members), { signal, matcher: allPlatforms, naming });
  await expect(attempt).rejects.toThrow(message);
});

test.each([
  ["a name that climbs out", [file("../../etc/passwd", encode("x"))], "its name leads out of the archive"],
  ["a name that climbs out in the middle", [file("a/../../b", encode("x"))], "its name leads out of the archive"],
  ["an absolute name", [file("/etc/passwd", encode("x"))], "its name leads out of the archive"],
  ["a blob of another digest than its name's", [file(blobName(index.digest), encode("x"))], "failed to ingest"],
  [
    "a config name that climbs out",
    [file("manifest.json", encode(`[{"Config":"../c"}]`))],
    "its name leads out of the archive",
  ],
])("R24: importArchive() refuses %s", async (_what, members, message) => {
  const attempt = importArchive(new MemoryContentStore(), writeTar(members), { signal, matcher: allPlatforms, naming });
  await expect(attempt).rejects.toThrow(message);
});

test.each(["oci-layout", "manifest.json"])("R12: importArchive() refuses a %s that fills memory", async (name) => {
  const archive = writeTar([file(name, new Uint8Array(9 << 20))]);
  const attempt = importArchive(new MemoryContentStore(), archive, { signal, matcher: allPlatforms, naming });
  await expect(attempt).rejects.toThrow("more than 8388608 bytes");
});

test("R29: exportArchive() emits only clean relative names, whatever names and annotations say", async () => {
  const target = { ...index, annotations: { "org.opencontainers.image.title": "../../../etc/cron.d/x", "../x": "/y" } };
  const images = ["../../etc/passwd", "/abs:1", "a/../../b:..", "nul\0name"].map((name) => ({ name, target }));
  const names: string[] = [];
  const options = { signal, matcher, skipDockerManifest: true };
  for await (const entry of readTar(exportArchive(openStore(), images, options))) {
    expect(["file", "directory"]).toContain(entry.kind);
    names.push(entry.name);
  }
  expect(names.filter((name) => !/^(blobs\/(sha256\/([0-9a-f]{64})?)?|[a-z-]+(\.json)?)$/.test(name))).toEqual([]);
});

test("R29: exportArchive() refuses a name that is not clean before its first byte", async () => {
  const store = openStore();
  // What a store that has gone bad could say: nothing mints such a digest.
  const digest = "sha256:../../../etc/cron.d/x" as (typeof index)["digest"];
  store.blobs.set(digest, { bytes: store.blobs.get(image.manifest.digest)?.bytes ?? encode(""), labels: {} });
  const archive = exportArchive(store, [{ name: "a.example/b:1", target: { ...image.manifest, digest } }], {
    signal,
    matcher,
  });
  await expect(archive.next()).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining("not clean"),
  });
});

test("importArchive() says so when no platform is left", async () => {
  const images = [{ name: "a.example/b:1", target: index }];
  const archive = exportArchive(openStore(), images, { signal, matcher });
  const options = { signal, naming, matcher: { matches: () => false, compare: () => 0 } };
  // The index itself names no platform; below it nothing is left, which is the caller's to find out.
  const imported = await importArchive(new MemoryContentStore(), archive, options);
  expect(imported.images).toHaveLength(1);
});

const ref = "org.opencontainers.image.ref.name";
const full = "io.containerd.image.name";
const plain = descriptorOf(mediaTypes.ociManifest, encode("m"));

test.each([
  ["a tag gets the prefix", { [ref]: "v1" }, { prefix: "p" }, ["p:v1"]],
  ["a full name is kept", { [ref]: "a/b:1" }, { prefix: "p" }, ["a/b:1"]],
  ["a full name without the prefix goes", { [ref]: "a/b:1" }, { prefix: "p", filter: true }, []],
  ["a full name that extends the prefix stays", { [ref]: "p/b:1" }, { prefix: "p", filter: true }, ["p/b:1"]],
  ["a look-alike of the prefix goes", { [ref]: "pp/b:1" }, { prefix: "p", filter: true }, []],
  ["containerd's own name always stays", { [full]: "a/b:1", [ref]: "1" }, { prefix: "p", filter: true }, ["a/b:1"]],
  ["no name is no name", {}, { prefix: "p" }, []],
  ["digests name all", { [ref]: "v1" }, { prefix: "p", digests: true }, ["p:v1", `p@${plain.digest}`]],
  [
    "digests may leave out the named",
    { [ref]: "v1" },
    { prefix: "p", digests: true, skipDigestForNamed: true },
    ["p:v1"],
  ],
  ["digests name the nameless", {}, { prefix: "p", digests: true, skipDigestForNamed: true }, [`p@${plain.digest}`]],
])("importNames(): %s", (_what, annotations, rules, expected) => {
  expect(importNames({ ...plain, annotations }, rules)).toEqual(expected);
});

test("defaultImportPrefix() is the day", () => {
  expect(defaultImportPrefix(new Date(2026, 0, 5))).toBe("import-2026-01-05");
});
