import { expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { type Descriptor, digestOf, type Mount, mediaTypes } from "@ctr/oci";
import { MemoryContentStore } from "@ctr/oci/testing";
import fc from "fast-check";
import {
  buildLayer,
  describeTree,
  isRoot,
  type TestMember,
  temporaryDirectory,
  unpack,
} from "../testing/test-layers.ts";
import { openApplyPool } from "./apply-pool.ts";
import { openDiffer } from "./differ.ts";
import type { FileGrowth } from "./growing-file.ts";

const { signal } = new AbortController();
const bind = (source: string): readonly Mount[] => [{ type: "bind", source, target: "", options: ["rbind", "rw"] }];

async function put(content: MemoryContentStore, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  await using writer = await content.writer(digestOf(bytes), { signal });
  await writer.write(bytes, { signal });
  return { mediaType, digest: await writer.commit({}, { signal }), size: BigInt(bytes.byteLength) };
}

test("apply() unpacks a blob over a bind mount and returns the descriptor of the plain tar", async () => {
  using temporary = temporaryDirectory();
  const content = new MemoryContentStore();
  const layer = buildLayer([{ name: "f", data: "1" }]);
  const blob = await put(content, gzipSync(layer), mediaTypes.dockerLayerGzip);
  const applied = await openDiffer({ content }).apply(blob, bind(temporary.dir), { signal, syncFs: true });
  expect(applied).toEqual({ mediaType: mediaTypes.ociLayer, digest: digestOf(layer), size: BigInt(layer.byteLength) });
  expect(Object.keys(describeTree(temporary.dir))).toEqual(["f"]);
});

test.each([
  ["a type that is no layer", "text/plain"],
  ["an encrypted layer", `${mediaTypes.ociLayerGzip}+encrypted`],
  ["an erofs layer", mediaTypes.erofsLayer],
])("apply() has no processor for %s", async (_what, mediaType) => {
  const content = new MemoryContentStore();
  const blob = await put(content, buildLayer([]), mediaType);
  await expect(openDiffer({ content }).apply(blob, bind("/nowhere"), { signal })).rejects.toMatchObject({
    code: "unknown",
    message: `failed to get stream processor for ${mediaType}: no processor for media-type`,
  });
});

test("apply() takes a plain OCI layer as it is, and any Docker layer as its bytes are", async () => {
  using temporary = temporaryDirectory();
  const content = new MemoryContentStore();
  const differ = openDiffer({ content });
  const zipped = await put(content, gzipSync(buildLayer([{ name: "f" }])), mediaTypes.ociLayer);
  await expect(differ.apply(zipped, bind(temporary.dir), { signal })).rejects.toThrow(
    /invalid tar header|unexpected EOF/,
  );
  const plain = await put(content, buildLayer([{ name: "g" }]), mediaTypes.dockerLayerGzip);
  await differ.apply(plain, bind(temporary.dir), { signal });
  expect(Object.keys(describeTree(temporary.dir))).toEqual(["g"]);
});

test("apply() answers not_found for a blob that is not there", async () => {
  const blob = { mediaType: mediaTypes.ociLayer, digest: digestOf(new Uint8Array()), size: 0n };
  const applied = openDiffer({ content: new MemoryContentStore() }).apply(blob, bind("/nowhere"), { signal });
  await expect(applied).rejects.toMatchObject({ code: "not_found" });
});

test("applyFile() unpacks in a worker while the file grows", async () => {
  using temporary = temporaryDirectory();
  await using pool = openApplyPool({ cores: 1 });
  const differ = openDiffer({ content: new MemoryContentStore(), pool });
  const layer = buildLayer([
    { name: "a", data: "x".repeat(100_000) },
    { name: "b", data: "y" },
  ]);
  const bytes = gzipSync(layer, { level: 0 });
  const path = `${temporary.dir}/ingest`;
  writeFileSync(path, "");
  mkdirSync(`${temporary.dir}/root`);
  const news = async function* (): AsyncGenerator<FileGrowth> {
    for (let at = 0; at < bytes.byteLength; at += 20_000) {
      appendFileSync(path, bytes.subarray(at, at + 20_000));
      yield { bytes: Math.min(at + 20_000, bytes.byteLength), complete: at + 20_000 >= bytes.byteLength };
    }
  };
  const file = {
    mediaType: mediaTypes.ociLayerGzip,
    path,
    growth: { now: { bytes: 0, complete: false }, news: news() },
  };
  const applied = await differ.applyFile(file, bind(`${temporary.dir}/root`), { signal });
  expect(applied.digest).toBe(digestOf(layer));
  expect(Object.keys(describeTree(`${temporary.dir}/root`))).toEqual(["a", "b"]);
});

test("applyFile() gives the error of a fetch that failed, of a layer that is broken, and of its signal; the worker lives on", async () => {
  using temporary = temporaryDirectory();
  await using pool = openApplyPool({ cores: 1 });
  const differ = openDiffer({ content: new MemoryContentStore(), pool });
  const path = `${temporary.dir}/ingest`;
  const root = `${temporary.dir}/root`;
  mkdirSync(root);
  writeFileSync(path, gzipSync(buildLayer([{ name: "a/.wh..", data: "" }])));
  const file = { mediaType: mediaTypes.ociLayerGzip, path };
  const now = { bytes: 10, complete: false };
  // biome-ignore lint/correctness/useYield: a fetch that fails before its first byte.
  const failing = async function* (): AsyncGenerator<FileGrowth> {
    throw new Error("connection lost");
  };
  const fetched = differ.applyFile({ ...file, growth: { now, news: failing() } }, bind(root), { signal });
  await expect(fetched).rejects.toThrow("connection lost");
  await expect(differ.applyFile(file, bind(root), { signal })).rejects.toThrow(/entry a\/.wh..\): invalid whiteout/);
  const stop = new AbortController();
  const waiting = async function* (): AsyncGenerator<FileGrowth> {
    yield { bytes: 10, complete: false };
    stop.abort(new Error("interrupted"));
    await new Promise(() => undefined);
  };
  const aborted = differ.applyFile({ ...file, growth: { now, news: waiting() } }, bind(root), { signal: stop.signal });
  await expect(aborted).rejects.toThrow("interrupted");
  writeFileSync(path, gzipSync(buildLayer([{ name: "fine" }])));
  await differ.applyFile(file, bind(root), { signal });
  expect(Object.keys(describeTree(root))).toEqual(["fine"]);
});

test("applyFile() is stopped in the middle of a layer that is not compressed", async () => {
  using temporary = temporaryDirectory();
  await using pool = openApplyPool({ cores: 1 });
  const path = `${temporary.dir}/layer`;
  const root = `${temporary.dir}/root`;
  mkdirSync(root);
  writeFileSync(path, buildLayer([{ name: "a", data: "x".repeat(40_000_000) }, { name: "z" }]));
  const stop = new AbortController();
  const differ = openDiffer({ content: new MemoryContentStore(), pool });
  const applied = differ.applyFile({ mediaType: mediaTypes.ociLayer, path }, bind(root), { signal: stop.signal });
  setImmediate(() => stop.abort(new Error("interrupted")));
  await expect(applied).rejects.toThrow("interrupted");
  expect(Object.keys(describeTree(root))).not.toContain("z");
});

/** Two trees that differ in every way a layer can tell. */
function changedTrees(lower: string, upper: string) {
  for (const dir of [lower, upper]) {
    mkdirSync(`${dir}/same/deep`, { recursive: true });
    mkdirSync(`${dir}/changed`);
    writeFileSync(`${dir}/same/deep/file`, "same");
    writeFileSync(`${dir}/changed/content`, `${dir === lower ? 1 : 2}`);
    for (const path of ["same/deep/file", "changed/content"]) utimesSync(`${dir}/${path}`, 5, 5);
  }
  mkdirSync(`${lower}/gone/below`, { recursive: true });
  writeFileSync(`${lower}/gone/below/f`, "");
  writeFileSync(`${lower}/same/gone`, "");
  mkdirSync(`${lower}/was-directory/below`, { recursive: true });
  writeFileSync(`${upper}/was-directory`, "now a file");
  chmodSync(`${upper}/changed`, 0o700);
  writeFileSync(`${upper}/new`, "new");
  linkSync(`${upper}/new`, `${upper}/twin`);
  symlinkSync("new", `${upper}/link`);
}

test("compare() tells what changed in containerd's order, with whiteouts, links and the parents they need", async () => {
  using lower = temporaryDirectory();
  using upper = temporaryDirectory();
  changedTrees(lower.dir, upper.dir);
  const content = new MemoryContentStore();
  const options = { signal, mediaType: "", labels: { a: "b" } };
  const blob = await openDiffer({ content }).compare(bind(lower.dir), bind(upper.dir), options);
  const stored = content.blobs.get(blob.digest);
  const tar = gunzipSync(stored?.bytes ?? new Uint8Array());
  expect(blob.mediaType).toBe(mediaTypes.ociLayerGzip);
  expect(stored?.labels).toEqual({ a: "b", "containerd.io/uncompressed": digestOf(tar) });
  const names = Bun.spawnSync(["tar", "-tf", "-"], { stdin: tar }).stdout.toString().trim().split("\n");
  expect(names).toEqual([
    "changed/",
    "changed/content",
    ".wh.gone",
    "link",
    "new",
    "same/",
    "same/.wh.gone",
    "twin",
    "was-directory",
  ]);
});

test("compare() gives the same bytes twice, clamps times to SOURCE_DATE_EPOCH and knows three compressions", async () => {
  using lower = temporaryDirectory();
  using upper = temporaryDirectory();
  changedTrees(lower.dir, upper.dir);
  const digests = new Map<string, Set<string>>();
  for (const mediaType of [mediaTypes.ociLayer, mediaTypes.ociLayerGzip, mediaTypes.ociLayerZstd]) {
    for (const ref of ["", "named"]) {
      const content = new MemoryContentStore();
      const options = { signal, mediaType, ref, sourceDateEpoch: { seconds: 3, nanos: 0 } };
      const blob = await openDiffer({ content }).compare(bind(lower.dir), bind(upper.dir), options);
      const bytes = content.blobs.get(blob.digest)?.bytes ?? new Uint8Array();
      const tar = mediaType.endsWith("gzip")
        ? gunzipSync(bytes)
        : mediaType.endsWith("zstd")
          ? zstdDecompressSync(bytes)
          : bytes;
      digests.set(mediaType, (digests.get(mediaType) ?? new Set()).add(blob.digest));
      digests.set("tar", (digests.get("tar") ?? new Set()).add(digestOf(tar)));
      const years = Bun.spawnSync(["tar", "-tvf", "-"], { stdin: Buffer.from(tar) }).stdout.toString();
      expect(years.match(/ 1970-01-01 /g)?.length).toBe(9);
    }
  }
  expect([...digests.values()].map((set) => set.size)).toEqual([1, 1, 1, 1]);
});

test("compare() does not make types it does not know, and drops an ingest that failed", async () => {
  const content = new MemoryContentStore();
  const differ = openDiffer({ content });
  await expect(differ.compare([], [], { signal, mediaType: mediaTypes.dockerLayerGzip })).rejects.toMatchObject({
    code: "unimplemented",
  });
  using temporary = temporaryDirectory();
  writeFileSync(`${temporary.dir}/f`, "");
  const stop = AbortSignal.abort(new Error("stop"));
  const stopped = differ.compare(bind(temporary.dir), bind(temporary.dir), { signal: stop, mediaType: "" });
  await expect(stopped).rejects.toThrow("stop");
  expect(content.ingests.size).toBe(0);
});

/** A tree's members: a few directories, files, links and fifos under few names, so that layers collide. */
const names = fc.constantFrom("a", "b", "c.d", "c", "\xff", "long".repeat(30));
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const member: fc.Arbitrary<TestMember> = fc
  .record({
    path: paths,
    kind: fc.constantFrom("file", "directory", "symlink", "fifo"),
    mode: fc.constantFrom(0o644, 0o755, 0o4755, 0o1777),
    seconds: fc.nat(2 ** 31),
    data: fc.string({ unit: "binary-ascii", maxLength: 20 }),
  })
  .map(({ path, kind, mode, seconds, data }) => {
    const mtime = { seconds, nanos: 0 };
    if (kind === "directory") return { name: `${path}/`, mode: mode & 0o1777, mtime };
    if (kind === "symlink")
      return { name: path, typeFlag: "2", linkName: `x${data.replaceAll("\0", "0")}`, mode: 0o777, mtime };
    return kind === "fifo" ? { name: path, typeFlag: "6", mode, mtime } : { name: path, data, mode, mtime };
  });

/** Unpacks what fits; a path through a file or a link is another test's. */
async function grow(dir: string, members: readonly TestMember[]) {
  for (const one of members) await unpack(buildLayer([one]), { dir, whiteouts: "delete" }).catch(() => undefined);
}

test("apply(lower, compare(lower, upper)) is upper", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(member, { maxLength: 8 }), fc.array(member, { maxLength: 8 }), async (first, second) => {
      using lower = temporaryDirectory();
      using upper = temporaryDirectory();
      await grow(lower.dir, first);
      await grow(upper.dir, second);
      const content = new MemoryContentStore();
      const differ = openDiffer({ content });
      const blob = await differ.compare(bind(lower.dir), bind(upper.dir), { signal, mediaType: mediaTypes.ociLayer });
      await differ.apply(blob, bind(lower.dir), { signal });
      const options = { directoryTimes: false };
      expect(describeTree(lower.dir, options)).toEqual(describeTree(upper.dir, options));
    }),
    { numRuns: 40 },
  );
});

test.if(isRoot)(
  "apply() writes into an overlay's upper directory, and what the overlay then shows compares as the same layer",
  async () => {
    using temporary = temporaryDirectory();
    const { dir } = temporary;
    for (const name of ["lower", "upper", "work"]) mkdirSync(`${dir}/${name}`);
    await unpack(buildLayer([{ name: "d/old" }, { name: "gone" }, { name: "e/x" }]), {
      dir: `${dir}/lower`,
      whiteouts: "delete",
    });
    const options = [`workdir=${dir}/work`, `upperdir=${dir}/upper`, `lowerdir=${dir}/lower`];
    const overlay = [{ type: "overlay", source: "overlay", target: "", options }];
    const content = new MemoryContentStore();
    const differ = openDiffer({ content, workDir: `${dir}/mounts` });
    const members = [
      { name: "d/" },
      { name: "d/.wh..wh..opq" },
      { name: "d/new", data: "1" },
      { name: ".wh.gone" },
      { name: "e/y" },
    ];
    const blob = await put(content, buildLayer(members), mediaTypes.ociLayer);
    await differ.apply(blob, overlay, { signal });
    const diff = await differ.compare(bind(`${dir}/lower`), overlay, { signal, mediaType: mediaTypes.ociLayer });
    const tar = content.blobs.get(diff.digest)?.bytes ?? new Uint8Array();
    const listed = Bun.spawnSync(["tar", "-tf", "-"], { stdin: Buffer.from(tar) })
      .stdout.toString()
      .trim()
      .split("\n");
    expect(listed).toEqual(["d/", "d/new", "d/.wh.old", "e/", "e/y", ".wh.gone"]);
    rmSync(`${dir}/work`, { recursive: true });
  },
);
