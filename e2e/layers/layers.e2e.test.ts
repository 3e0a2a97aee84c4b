import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { hasCode } from "@ctr/api";
import { type Client, connect } from "@ctr/client";
import { collectBytes, type Descriptor, digestOf, type Mount, mediaTypes, parseDigest } from "@ctr/oci";
import { MemoryContentStore } from "@ctr/oci/testing";
import fc from "fast-check";
import { openDiffer } from "../../packages/engine/src/diff/differ.ts";
import { buildLayer, describeTree, type TestMember } from "../../packages/engine/src/testing/test-layers.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { nginxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

// Both sides are given the same layer and the same kind of mounts; what containerd 1.6 makes of them is what is right.
const { signal } = new AbortController();
let daemon: PrivateContainerd;
let connection: Client;
let lease: Awaited<ReturnType<Client["leases"]["hold"]>>;
let client: Client;
let content: MemoryContentStore;
let dir: string;

beforeAll(async () => {
  daemon = await startContainerd();
  connection = await connect({ address: daemon.address, namespace: `layers-${process.pid}` });
  // Blobs that belong to no image would be collected under the test.
  lease = await connection.leases.hold();
  client = lease.client;
});
afterAll(async () => {
  await lease[Symbol.asyncDispose]();
  await connection[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-layers-"));
  content = new MemoryContentStore();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const differ = () => openDiffer({ content, workDir: `${dir}/mounts` });
const bind = (source: string): readonly Mount[] => [{ type: "bind", source, target: "", options: ["rbind", "rw"] }];

function overlay(name: string, lower: readonly string[]): readonly Mount[] {
  const [upper, work] = [`${dir}/${name}`, `${dir}/${name}.work`];
  for (const path of [upper, work]) mkdirSync(path, { recursive: true });
  const options = [`workdir=${work}`, `upperdir=${upper}`, `lowerdir=${lower.join(":")}`];
  return [{ type: "overlay", source: "overlay", target: "", options }];
}

/** The layer as a blob of both stores. */
async function putLayer(bytes: Uint8Array, mediaType: string = mediaTypes.dockerLayerGzip): Promise<Descriptor> {
  const digest = digestOf(bytes);
  for (const store of [content, client.content]) {
    try {
      await using writer = await store.writer(`layer-${digest}`, { signal });
      for (let at = 0; at < bytes.byteLength; at += 1_000_000)
        await writer.write(bytes.subarray(at, at + 1_000_000), { signal });
      await writer.commit({ expected: digest }, { signal });
    } catch (error) {
      if (!hasCode(error, "already_exists")) throw error;
    }
  }
  return { mediaType, digest, size: BigInt(bytes.byteLength) };
}

/**
 * Without the times nobody can know: those of directories that were written into last, and of overlayfs's whiteouts. A
 * directory that a layer only implies has the time of writing at containerd, and at ours the one it has below.
 */
function comparable(theirs: string, ours: string): readonly [Record<string, string>, Record<string, string>] {
  const recent = (Date.now() - 3_600_000) * 1e6;
  const [expected, got] = [describeTree(theirs), describeTree(ours)];
  for (const [path, text] of Object.entries(expected)) {
    const [, type, time] = /^(\d+):\d+ \S+ (\d+)/.exec(text) ?? [];
    if ((type !== "4" && !text.endsWith("dev 0")) || Number(time) < recent) continue;
    for (const tree of [expected, got]) tree[path] = tree[path]?.replace(/^(\S+ \S+) \d+/, "$1 now") ?? "missing";
  }
  return [expected, got];
}

/** Unpacks with both over the two lists of mounts, and compares the directories they write to. */
async function expectSame(layer: Uint8Array, theirs: Side, ours: Side): Promise<void> {
  const blob = await putLayer(layer);
  const [expected, got] = await Promise.allSettled([
    client.differ.apply(blob, theirs.mounts, { signal }),
    differ().apply(blob, ours.mounts, { signal }),
  ]);
  if (expected.status === "rejected") {
    expect(got.status).toBe("rejected");
    return;
  }
  if (got.status === "rejected") throw got.reason;
  expect(got.value).toEqual(expected.value);
  const [expectedTree, gotTree] = comparable(theirs.dir, ours.dir);
  expect(gotTree).toEqual(expectedTree);
}

interface Side {
  readonly dir: string;
  readonly mounts: readonly Mount[];
}

function side(name: string, lower: readonly string[] = []): Side {
  const path = `${dir}/${name}`;
  mkdirSync(path, { recursive: true });
  return { dir: path, mounts: lower.length > 0 ? overlay(name, lower) : bind(path) };
}

const link = (name: string, linkName: string): TestMember => ({ name, linkName, typeFlag: "2", mode: 0o777 });
const base = [
  { name: "usr/", mode: 0o711, uid: 5, gid: 6, mtime: { seconds: 77, nanos: 0 } },
  { name: "usr/lib/", mode: 0o2755 },
  { name: "usr/lib/a", data: "a" },
  { name: "usr/lib/b", data: "b" },
  { name: "etc/passwd", data: "root" },
  link("lib", "usr/lib"),
];

const layers: Readonly<Record<string, readonly TestMember[]>> = {
  "owners, modes, times": [
    { name: "./", mode: 0o700, uid: 9 },
    { name: "f", uid: 1234, gid: 70_000, mode: 0o6755, mtime: { seconds: 4_000_000_000, nanos: 0 }, data: "x" },
    { name: "d/", uid: 3_000_000, gid: 2, mode: 0o1777 },
    { name: "before", mtime: { seconds: -5, nanos: 0 } },
  ],
  "devices, fifos, links": [
    { name: "null", typeFlag: "3", major: 1, minor: 3, mode: 0o666 },
    { name: "disk", typeFlag: "4", major: 259, minor: 70_000, mode: 0o660, gid: 6 },
    { name: "pipe", typeFlag: "6", mode: 0o4622, uid: 4 },
    { ...link("link", "/no/where"), uid: 7, gid: 8 },
    { name: "hard", typeFlag: "1", linkName: "link", uid: 1 },
    { name: "f", data: "1" },
    { name: "twin", typeFlag: "1", linkName: "./f", mode: 0o4711, uid: 3 },
  ],
  "names of bytes, long names, long links": [
    { name: "\xff\xfe/\x01\xe9", data: "1" },
    { name: `${"n".repeat(120)}/${"m".repeat(200)}`, data: "2" },
    link("long", `${"t".repeat(300)}\xff`),
  ],
  "extended attributes": [
    {
      name: "f",
      xattrs: [
        { name: "user.a", value: Buffer.from([0, 255, 61]) },
        { name: "user.empty", value: Buffer.alloc(0) },
      ],
    },
    {
      name: "cap",
      xattrs: [{ name: "security.capability", value: Buffer.from("0100000200040000000000000000000000000000", "hex") }],
    },
    {
      name: "d/",
      xattrs: [
        { name: "user.d", value: Buffer.from("d") },
        { name: "trusted.overlay.opaque", value: Buffer.from("y") },
      ],
    },
    { name: "p", typeFlag: "6", xattrs: [{ name: "user.p", value: Buffer.from("p") }] },
  ],
  whiteouts: [
    { name: "usr/lib/.wh.a", uid: 5, gid: 6 },
    { name: "etc/.wh..wh..opq" },
    { name: "etc/new", data: "1" },
    { name: "new/parent/.wh.x" },
  ],
  "opaque after its content": [
    { name: "usr/lib/" },
    { name: "usr/lib/n", data: "1" },
    { name: "usr/lib/.wh..wh..opq" },
  ],
  "directories that are only implied": [
    { name: "usr/lib/c", data: "1" },
    { name: "usr/share/doc/x", data: "2" },
  ],
  "through a link of a layer below": [{ name: "lib/c", data: "1" }],
  replacements: [
    { name: "usr/lib/", mode: 0o700 },
    { name: "etc", data: "file over directory" },
    { name: "lib/" },
    { name: "x", data: "1" },
    { name: "x/" },
    { name: "x/y", data: "2" },
    { name: "x/y", data: "3" },
    link("x/y", "z"),
  ],
  "names that leave the root": [
    { name: "../../up", data: "1" },
    { name: "/abs/olute", data: "2" },
    link("out", "../../.."),
    { name: "out/in", data: "3" },
    link("dangling", "not/here"),
    { name: "dangling/f", data: "4" },
  ],
  "a link that goes round": [link("r", "r"), { name: "r/f" }],
  "a bad whiteout": [{ name: "a/.wh..." }],
  "a hard link to nothing": [{ name: "h", typeFlag: "1", linkName: "nothing" }],
};

test.each(Object.keys(layers))(
  "a layer with %s unpacks as containerd unpacks it, on plain directories",
  async (name) => {
    const [theirs, ours] = [side("theirs"), side("ours")];
    await expectSame(buildLayer(base), theirs, ours);
    await expectSame(gzipSync(buildLayer(layers[name] ?? [])), theirs, ours);
  },
);

test.each(Object.keys(layers))("a layer with %s unpacks as containerd unpacks it, on an overlay", async (name) => {
  const lower = side("lower");
  const blob = await putLayer(buildLayer(base));
  await differ().apply(blob, lower.mounts, { signal });
  await expectSame(gzipSync(buildLayer(layers[name] ?? [])), side("theirs", [lower.dir]), side("ours", [lower.dir]));
});

/** A tree with what tars are told apart by. */
async function makeTree(root: string): Promise<void> {
  mkdirSync(`${root}/deep/er`, { recursive: true });
  writeFileSync(`${root}/deep/er/${"long".repeat(40)}`, "x");
  writeFileSync(`${root}/deep/er/f`, "f");
  linkSync(`${root}/deep/er/f`, `${root}/twin`);
  chmodSync(`${root}/twin`, 0o4755);
  await mustRun(
    ["bash", "-c", "truncate -s 300K s; printf end >>s; printf mid | dd of=s bs=1 seek=100000 conv=notrunc 2>&1"],
    {
      cwd: root,
    },
  );
  await mustRun(["mknod", `${root}/null`, "c", "1", "3"], {});
  await mustRun(["bash", "-c", "printf x > $'\\377name'; ln -s $'\\376' $'link\\375'"], { cwd: root });
}

test.each<readonly string[]>([
  ["GNU", "--format=gnu"],
  ["POSIX", "--format=posix", "--xattrs"],
  ["ustar", "--format=ustar", "--exclude=long*"],
  ["v7", "--format=v7", "--exclude=long*", "--exclude=null"],
  ["sparse 0.0", "--format=posix", "--sparse", "--sparse-version=0.0"],
  ["sparse 0.1", "--format=posix", "--sparse", "--sparse-version=0.1"],
  ["sparse 1.0", "--format=posix", "--sparse", "--sparse-version=1.0"],
])("GNU tar's %s format unpacks as containerd unpacks it", async (...row) => {
  // The last argument is the runner's own.
  const options = row.slice(1).filter((option) => typeof option === "string");
  mkdirSync(`${dir}/source`);
  await makeTree(`${dir}/source`);
  await mustRun(["tar", ...options, "-C", `${dir}/source`, "-cf", `${dir}/layer.tar`, "."], {});
  await expectSame(readFileSync(`${dir}/layer.tar`), side("theirs"), side("ours"));
});

test("GNU tar's own sparse format, which containerd refuses, unpacks as the file it was", async () => {
  mkdirSync(`${dir}/source`);
  await makeTree(`${dir}/source`);
  await mustRun(["tar", "--format=gnu", "--sparse", "-C", `${dir}/source`, "-cf", `${dir}/layer.tar`, "."], {});
  const ours = side("ours");
  await differ().apply(await putLayer(readFileSync(`${dir}/layer.tar`)), ours.mounts, { signal });
  const sum = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
  expect(sum(`${ours.dir}/s`)).toBe(sum(`${dir}/source/s`));
});

interface LayoutLayers {
  readonly layers: readonly { readonly digest: string }[];
}

/** Unpacks an image's layers one on the other, on both. */
async function expectSameImage(blobOf: (digest: string) => Uint8Array, manifest: LayoutLayers): Promise<void> {
  const plain = [side("theirs"), side("ours")] as const;
  const stack = { theirs: [] as string[], ours: [] as string[] };
  for (const [index, { digest }] of manifest.layers.entries()) {
    const bytes = blobOf(digest);
    await expectSame(bytes, ...plain);
    const [theirs, ours] = [side(`t${index}`, stack.theirs), side(`o${index}`, stack.ours)];
    await expectSame(bytes, theirs, ours);
    stack.theirs.unshift(theirs.dir);
    stack.ours.unshift(ours.dir);
  }
}

function layoutReader(layout: string) {
  const blobOf = (digest: string) => readFileSync(`${layout}/blobs/${parseDigest(digest).replace(":", "/")}`);
  const manifestOf = (digest: string): LayoutLayers & { readonly manifests?: readonly { readonly digest: string }[] } =>
    // Written by the tools under test's own makers, as image-spec has it.
    JSON.parse(blobOf(digest).toString());
  return { blobOf, manifestOf };
}

test("the layers of an image of Debian's packages unpack as containerd unpacks them", async () => {
  const layout = await nginxLayout();
  const { blobOf, manifestOf } = layoutReader(layout.dir);
  const [first] = manifestOf(layout.target.digest).manifests ?? [];
  await expectSameImage(blobOf, manifestOf(first?.digest ?? layout.target.digest));
});

test("the layers that umoci writes unpack as containerd unpacks them", async () => {
  const layout = `${dir}/image`;
  await mustRun(["umoci", "init", "--layout", layout], {});
  await mustRun(["umoci", "new", "--image", `${layout}:x`], {});
  await mustRun(["umoci", "unpack", "--image", `${layout}:x`, `${dir}/bundle`], {});
  await makeTree(`${dir}/bundle/rootfs`);
  await mustRun(["umoci", "repack", "--image", `${layout}:x`, `${dir}/bundle`], {});
  rmSync(`${dir}/bundle/rootfs/deep/er`, { recursive: true });
  await mustRun(["umoci", "repack", "--image", `${layout}:x`, `${dir}/bundle`], {});
  await expectSameLayout(layout);
});

/** Layers of an OCI layout that one tool wrote for one image. */
async function expectSameLayout(layout: string): Promise<void> {
  const { blobOf, manifestOf } = layoutReader(layout);
  // The tools write it, as image-spec has it.
  const index: { manifests: { digest: string }[] } = JSON.parse(readFileSync(`${layout}/index.json`, "utf8"));
  await expectSameImage(blobOf, manifestOf(index.manifests.at(-1)?.digest ?? ""));
}

test("the layers that buildah writes, and skopeo packs anew, unpack as containerd unpacks them", async () => {
  const storage = ["--root", `${dir}/storage`, "--runroot", `${dir}/runroot`, "--storage-driver", "vfs"];
  const buildah = (...words: readonly string[]) => mustRun(["buildah", ...storage, ...words]);
  mkdirSync(`${dir}/source`);
  await makeTree(`${dir}/source`);
  const container = (await buildah("from", "scratch")).trim();
  await buildah("copy", container, `${dir}/source`, "/opt/");
  await buildah("commit", "--quiet", container, "one");
  const second = (await buildah("from", "--pull-never", "localhost/one")).trim();
  const root = (await buildah("mount", second)).trim();
  rmSync(`${root}/opt/deep/er`, { recursive: true });
  writeFileSync(`${root}/opt/deep/er`, "a file now");
  await buildah("commit", "--quiet", second, `oci:${dir}/built:x`);
  await buildah("umount", "--all");
  await expectSameLayout(`${dir}/built`);
  for (const format of ["gzip", "zstd"]) {
    const pack = ["--dest-compress", "--dest-compress-format", format, "--dest-oci-accept-uncompressed-layers"];
    await mustRun(["skopeo", "copy", "--quiet", ...pack, `oci:${dir}/built:x`, `oci:${dir}/${format}:x`]);
    await expectSameLayout(`${dir}/${format}`);
  }
});

/**
 * Members under few names, so that layers collide. No opaque markers: containerd takes away what the layer itself brought
 * into directories that it only implies (docs/differences.md).
 */
const paths = fc.array(fc.constantFrom("a", "b", "c.d", "\xff"), { minLength: 1, maxLength: 3 });
const member = fc
  .record({
    path: paths,
    kind: fc.constantFrom("file", "directory", "symlink", "hardlink", "whiteout"),
    other: paths,
    mode: fc.constantFrom(0o644, 0o755, 0o4755),
    seconds: fc.nat(2 ** 30),
  })
  .map(({ path, kind, other, mode, seconds }): TestMember => {
    const name = path.join("/");
    const parent = [...path.slice(0, -1), ""].join("/");
    const mtime = { seconds, nanos: 0 };
    if (kind === "directory") return { name: `${name}/`, mode, mtime };
    if (kind === "symlink") return { ...link(name, other.join("/")), mtime };
    if (kind === "hardlink") return { name, typeFlag: "1", linkName: other.join("/"), mtime };
    if (kind === "whiteout") return { name: `${parent}.wh.${path.at(-1)}` };
    return { name, data: name, mode, mtime };
  });

/** containerd gives what replaced a directory that directory's time; the tables above have the times. */
function withoutTimes(tree: Record<string, string>): readonly string[] {
  return Object.entries(tree).map(([path, text]) => `${path} ${text.replace(/^(\S+ \S+) \S+/, "$1")}`);
}

/** Random layers that both unpack give the same tree; what only containerd refuses is docs/differences.md's. */
test("random layers unpack as containerd unpacks them, on plain directories", async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 8 }), async (members) => {
      round += 1;
      const [theirs, ours] = [side(`theirs${round}`), side(`ours${round}`)];
      const blob = await putLayer(buildLayer(members));
      const expected = await client.differ.apply(blob, theirs.mounts, { signal }).catch(() => undefined);
      if (expected === undefined) return;
      expect(await differ().apply(blob, ours.mounts, { signal })).toEqual(expected);
      expect(withoutTimes(describeTree(ours.dir))).toEqual(withoutTimes(describeTree(theirs.dir)));
    }),
    { numRuns: 60 },
  );
});

test("what we compare, containerd unpacks to the same tree; and the names and headers are those containerd writes", async () => {
  const [lower, upper] = [side("lower"), side("upper")];
  await differ().apply(await putLayer(buildLayer(base)), lower.mounts, { signal });
  await mustRun(["cp", "-a", `${lower.dir}/.`, upper.dir], {});
  await makeTree(upper.dir);
  rmSync(`${upper.dir}/usr/lib/a`);
  rmSync(`${upper.dir}/etc`, { recursive: true });
  writeFileSync(`${upper.dir}/etc`, "now a file");
  const options = { signal, mediaType: mediaTypes.ociLayer };
  const ours = await differ().compare(lower.mounts, upper.mounts, options);
  const tar = content.blobs.get(ours.digest)?.bytes ?? new Uint8Array();
  const theirs = await client.differ.compare(lower.mounts, upper.mounts, options);
  await using blob = await client.content.readerAt(theirs.digest, { signal });
  const reference = await collectBytes(blob.stream({ offset: 0n, length: blob.size }, { signal }), 64 * 1024 * 1024);
  // 1.6 gives whiteouts the time of day; 2.x, and we, the epoch.
  expect(Buffer.compare(withoutWhiteoutTimes(tar), withoutWhiteoutTimes(reference))).toBe(0);
  const back = side("back");
  await mustRun(["cp", "-a", `${lower.dir}/.`, back.dir], {});
  await client.differ.apply(await putLayer(gzipSync(tar)), back.mounts, { signal });
  const whole = (tree: Record<string, string>) =>
    Object.entries(tree).map(
      ([path, text]) => `${path} ${text.replace(/ (\d+)\d{9}\b/, " $1").replace(/^(4:\S+ \S+) \S+/, "$1")}`,
    );
  expect(whole(describeTree(back.dir))).toEqual(whole(describeTree(upper.dir)));
});

/** Blanks time and checksum in the header blocks of whiteouts. */
function withoutWhiteoutTimes(tar: Uint8Array): Buffer {
  const bytes = Buffer.from(tar);
  for (let at = 0; at + 512 <= bytes.byteLength; at += 512) {
    const isHeader = bytes.toString("latin1", at + 257, at + 262) === "ustar";
    if (isHeader && /(^|\/)\.wh\./.test(bytes.toString("latin1", at, at + 100))) bytes.fill(0, at + 136, at + 156);
  }
  return bytes;
}

test("nothing of the mounts made on the way is left", async () => {
  const lower = side("lower");
  const mounts = overlay("upper", [lower.dir]);
  await differ().compare(lower.mounts, mounts, { signal, mediaType: mediaTypes.ociLayer });
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(dir);
  expect(readdirSync(`${dir}/mounts`)).toEqual([]);
});
