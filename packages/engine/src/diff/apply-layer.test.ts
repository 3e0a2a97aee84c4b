import { expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf } from "@ctr/oci";
import { openTree } from "@ctr/sys";
import {
  buildLayer,
  describeTree,
  isRoot,
  type TestMember,
  temporaryDirectory,
  unpack,
} from "../testing/test-layers.ts";
import { defaultLimits } from "./apply-limits.ts";
import { completeImplied } from "./implied.ts";

const link = (name: string, linkName: string): TestMember => ({ name, linkName, typeFlag: "2", mode: 0o777 });
const hardLink = (name: string, linkName: string): TestMember => ({ name, linkName, typeFlag: "1" });
const text = (path: string) => readFileSync(path, "utf8");

test("applyLayer() unpacks files, directories, links and times, and names the uncompressed bytes", async () => {
  using temporary = temporaryDirectory();
  const { dir } = temporary;
  const layer = buildLayer([
    { name: "./" },
    { name: "etc/", mode: 0o750 },
    { name: "etc/passwd", data: "root", mode: 0o4711, mtime: { seconds: 5, nanos: 0 } },
    link("etc/link", "passwd"),
    hardLink("etc/twin", "etc/passwd"),
    { name: "pipe", typeFlag: "6", mode: 0o622 },
  ]);
  const applied = await unpack(layer, { dir, whiteouts: "delete" });
  expect(applied).toEqual({ digest: digestOf(layer), size: layer.byteLength, implied: [] });
  const stat = lstatSync(`${dir}/etc/passwd`);
  // The link's own entry comes later and says 0644.
  expect([stat.mode & 0o7777, stat.nlink]).toEqual([0o644, 2]);
  expect(lstatSync(`${dir}/etc`).mtimeMs).toBe(1_600_000_000_000);
  expect(lstatSync(`${dir}/etc`).mode & 0o7777).toBe(0o750);
  expect(lstatSync(`${dir}/pipe`).isFIFO()).toBe(true);
  expect(lstatSync(`${dir}/etc/link`).mtimeMs).toBe(1_600_000_000_000);
});

test("applyLayer() gives the same tree and digest however the bytes come and are compressed", async () => {
  const layer = buildLayer([
    { name: "d/" },
    { name: `d/${"n".repeat(150)}/${"m".repeat(120)}`, data: "long" },
    { name: "big", data: "x".repeat(5000) },
    { name: "empty" },
  ]);
  const trees = [];
  const variants: readonly (readonly [Uint8Array, number])[] = [
    [layer, 1],
    [layer, 511],
    [gzipSync(layer), 7],
    [Buffer.concat([gzipSync(layer.subarray(0, 700)), gzipSync(layer.subarray(700))]), 4096],
    [zstdCompressSync(layer), 13],
  ];
  for (const [bytes, chunk] of variants) {
    using temporary = temporaryDirectory();
    const { digest } = await unpack(bytes, { dir: temporary.dir, whiteouts: "delete" }, { chunk });
    expect(digest).toBe(digestOf(layer));
    trees.push(describeTree(temporary.dir, { directoryTimes: false }));
  }
  expect(new Set(trees.map((tree) => JSON.stringify(tree))).size).toBe(1);
});

test("applyLayer() keeps bytes of names that are no text", async () => {
  using temporary = temporaryDirectory();
  await unpack(buildLayer([{ name: "\xff\xfe\x80/\xe9", data: "1" }]), { dir: temporary.dir, whiteouts: "delete" });
  const [name] = readdirSync(temporary.dir, { encoding: "buffer" });
  expect(name?.toString("latin1")).toBe("\xff\xfe\x80");
});

test("applyLayer() deletes what whiteouts name, and under an opaque marker what the layer did not bring (any order)", async () => {
  using temporary = temporaryDirectory();
  const { dir } = temporary;
  mkdirSync(`${dir}/a/old/deep`, { recursive: true });
  mkdirSync(`${dir}/b`);
  writeFileSync(`${dir}/a/stay`, "");
  writeFileSync(`${dir}/b/gone`, "");
  writeFileSync(`${dir}/b/kept`, "");
  const layer = [{ name: "a/new/x", data: "1" }, { name: "a/.wh..wh..opq" }, { name: "b/.wh.gone" }];
  await unpack(buildLayer(layer), { dir, whiteouts: "delete" });
  expect(Object.keys(describeTree(dir))).toEqual(["a", "a/new", "a/new/x", "b", "b/kept"]);
});

test.if(isRoot)("applyLayer() writes whiteouts as overlayfs reads them, with the owner of the entry", async () => {
  using temporary = temporaryDirectory();
  const { dir } = temporary;
  const layer = [
    { name: "d/" },
    { name: "d/.wh..wh..opq" },
    { name: "d/.wh.f", uid: 3, gid: 4 },
    { name: ".wh.was-directory" },
    { name: "was-directory/" },
  ];
  await unpack(buildLayer(layer), { dir, whiteouts: "overlay" });
  const tree = describeTree(dir, { directoryTimes: false });
  expect(tree["d"]).toContain("trusted.overlay.opaque=79");
  expect(tree["d/f"]).toMatch(/^2:0 3:4 \d+ dev 0$/);
  expect(tree["was-directory"]).toContain("trusted.overlay.opaque=79");
});

test.if(isRoot)("applyLayer() copies up the target of a hard link that only a layer below has", async () => {
  using below = temporaryDirectory();
  using temporary = temporaryDirectory();
  const { dir } = temporary;
  mkdirSync(`${below.dir}/usr`, { mode: 0o711 });
  writeFileSync(`${below.dir}/usr/tool`, "tool", { mode: 0o755 });
  await unpack(buildLayer([hardLink("usr/alias", "usr/tool")]), { dir, whiteouts: "overlay", lower: [below.dir] });
  expect(text(`${dir}/usr/alias`)).toBe("tool");
  expect(lstatSync(`${dir}/usr/tool`).nlink).toBe(2);
  expect(lstatSync(`${dir}/usr`).mode & 0o777).toBe(0o711);
});

test.if(isRoot)(
  "completeImplied() gives what a layer only implies the attributes it has below, like applyLayer() with the layers below at hand",
  async () => {
    using below = temporaryDirectory();
    using first = temporaryDirectory();
    using second = temporaryDirectory();
    mkdirSync(`${below.dir}/a/b`, { recursive: true, mode: 0o700 });
    using lower = openTree(below.dir);
    lower.setMetadata(
      lower.open("a"),
      "b",
      {
        owner: { uid: 7, gid: 8 },
        mode: 0o2751,
        mtime: { seconds: 9, nanos: 5 },
        atime: { seconds: 9, nanos: 0 },
        xattrs: [{ name: "user.x", value: Buffer.from("y") }],
      },
      () => false,
    );
    const layer = buildLayer([{ name: "a/b/c/file", data: "1" }]);
    await unpack(layer, { dir: first.dir, whiteouts: "overlay", lower: [below.dir] });
    const { implied } = await unpack(layer, { dir: second.dir, whiteouts: "overlay" });
    expect(implied).toEqual(["a", "a/b", "a/b/c"]);
    completeImplied(second.dir, [below.dir], implied);
    expect(describeTree(second.dir)["a/b"]).toBe("4:2751 7:8 9000000005 user.x=79");
    expect(describeTree(first.dir)["a/b"]).toBe("4:2751 7:8 9000000005 user.x=79");
  },
);

test.each<readonly [string, readonly TestMember[], readonly string[]]>([
  ["a file over a directory", [{ name: "x/y/z" }, { name: "x", data: "1" }], ["x"]],
  ["a directory over a file", [{ name: "x" }, { name: "x/" }, { name: "x/y" }], ["x", "x/y"]],
  ["a link over a directory", [{ name: "x/y" }, link("x", "other")], ["x"]],
  ["a file over a link, not through it", [{ name: "t" }, link("x", "t"), { name: "x", data: "new" }], ["t", "x"]],
  [
    "the same file twice",
    [
      { name: "x", data: "1" },
      { name: "x", data: "2" },
    ],
    ["x"],
  ],
  [
    "a name through a link to a directory",
    [{ name: "real/" }, link("l", "real"), { name: "l/f" }],
    ["l", "real", "real/f"],
  ],
  [
    "a name through a dangling link, made behind it",
    [link("l", "made/here"), { name: "l/f" }],
    ["l", "made", "made/here", "made/here/f"],
  ],
  [
    "a directory that became a link",
    [{ name: "d/a" }, { name: "e/" }, link("d", "e"), { name: "d/b" }],
    ["d", "e", "e/b"],
  ],
])("applyLayer() takes %s", async (_what, members, names) => {
  using temporary = temporaryDirectory();
  await unpack(buildLayer(members), { dir: temporary.dir, whiteouts: "delete" });
  expect(Object.keys(describeTree(temporary.dir))).toEqual([...names]);
});

test.each<readonly [string, readonly TestMember[]]>([
  ["an absolute link as parent", [link("l", "/OUTSIDE"), { name: "l/secret", data: "bad" }]],
  ["a link that climbs", [link("l", "../../../../../../OUTSIDE"), { name: "l/secret", data: "bad" }]],
  ["a chain of links", [link("a", "b"), link("b", "/OUTSIDE"), { name: "a/secret", data: "bad" }]],
  ["`..` in a name", [{ name: "../../../../../../OUTSIDE/secret", data: "bad" }]],
  ["an absolute name", [{ name: "/OUTSIDE/secret", data: "bad" }]],
  ["a hard link outside, written through", [hardLink("h", "/OUTSIDE/secret"), { name: "h", data: "bad" }]],
  [
    "a hard link through a link",
    [link("l", "/OUTSIDE"), hardLink("h", "l/secret"), { name: "h", data: "bad", mode: 0o777 }],
  ],
  ["metadata of a link's target", [link("l", "/OUTSIDE/secret"), { name: "l", mode: 0o777, data: "bad" }]],
  ["a whiteout through a link", [link("l", "/OUTSIDE"), { name: "l/.wh.secret" }]],
  ["an opaque marker through a link", [link("l", "/OUTSIDE"), { name: "l/.wh..wh..opq" }]],
  ["a directory over a link", [link("l", "/OUTSIDE"), { name: "l/", mode: 0o777 }]],
  ["the root as a link", [link(".", "/OUTSIDE"), { name: "secret", data: "bad" }]],
  [
    "the root as a file",
    [
      { name: "./", mode: 0o777 },
      { name: "/", typeFlag: "0", mode: 0o777 },
    ],
  ],
])("R4, R16, R27, R32: applyLayer() stays inside the root with %s", async (_what, members) => {
  using outside = temporaryDirectory();
  using temporary = temporaryDirectory();
  writeFileSync(`${outside.dir}/secret`, "safe", { mode: 0o600 });
  const before = describeTree(outside.dir);
  const root = `${temporary.dir}/root`;
  mkdirSync(root, { mode: 0o755 });
  const aimed = members.map((member) => ({
    ...member,
    name: member.name.replace("/OUTSIDE", outside.dir),
    ...(member.linkName === undefined ? {} : { linkName: member.linkName.replace("/OUTSIDE", outside.dir) }),
  }));
  // Some of these are refused, which is as good.
  await unpack(buildLayer(aimed), { dir: root, whiteouts: "delete" }).catch(() => undefined);
  expect(describeTree(outside.dir)).toEqual(before);
  expect([lstatSync(root).isDirectory(), lstatSync(root).mode & 0o777]).toEqual([true, 0o755]);
});

test.each<readonly [string, readonly TestMember[], RegExp]>([
  ["a whiteout of `..`", [{ name: "a/.wh..." }], /invalid whiteout name/],
  ["a whiteout of nothing", [{ name: "a/.wh." }], /invalid whiteout name/],
  ["a hard link to nothing", [hardLink("h", "nowhere")], /entry h\): linkat h: no such file/],
  ["a hard link to itself", [{ name: "h" }, hardLink("h", "./h")], /hard link to itself/],
  ["links that go round", [link("a", "b"), link("b", "a"), { name: "a/f" }], /too many levels/],
  ["a name below a file", [{ name: "f" }, { name: "f/g" }], /not a directory/],
  ["a type nobody knows", [{ name: "f", typeFlag: "Z" }], /unhandled tar header type 90/],
])("applyLayer() refuses %s", async (_what, members, error) => {
  using temporary = temporaryDirectory();
  const applied = unpack(buildLayer(members), { dir: temporary.dir, whiteouts: "delete" });
  await expect(applied).rejects.toMatchObject({ code: "unknown", message: expect.stringMatching(error) });
});

test("R27: applyLayer() leaves the root as it is, whatever an entry for it says, and goes on", async () => {
  using temporary = temporaryDirectory();
  const root = `${temporary.dir}/root`;
  mkdirSync(root, { mode: 0o755 });
  const layer = [
    link(".", "/tmp"),
    { name: "/", typeFlag: "0", data: "file" },
    { name: "./", mode: 0o777 },
    { name: "..", typeFlag: "6" },
    hardLink("a/..", "f"),
    { name: "f", data: "after" },
  ];
  await unpack(buildLayer(layer), { dir: root, whiteouts: "delete" });
  expect([lstatSync(root).isDirectory(), lstatSync(root).mode & 0o777]).toEqual([true, 0o755]);
  expect([readdirSync(root), text(`${root}/f`)]).toEqual([["f"], "after"]);
});

test.each<readonly [string, Partial<TestMember>]>([
  ["a uid that chown would wrap to root", { uid: 2 ** 32 }],
  ["a gid that chown would wrap to root", { gid: 2 ** 32 }],
  ["a uid that chown takes for `leave it`", { uid: 2 ** 32 - 1 }],
])("R15: applyLayer() refuses %s", async (_what, owner) => {
  using temporary = temporaryDirectory();
  const applied = unpack(buildLayer([{ name: "f", ...owner }]), { dir: temporary.dir, whiteouts: "delete" });
  await expect(applied).rejects.toMatchObject({ code: "unknown", message: expect.stringMatching(/invalid owner/) });
});

test("R12: applyLayer() refuses an extended header, or a name, that would fill memory", async () => {
  using temporary = temporaryDirectory();
  const target = { dir: temporary.dir, whiteouts: "delete" } as const;
  const header = buildLayer([{ name: "x", typeFlag: "x", data: "0".repeat(1024 * 1024 + 1) }]);
  await expect(unpack(header, target)).rejects.toThrow(/header field too long/);
  const longName = buildLayer([{ name: "n".repeat(70_000) }]);
  await expect(unpack(longName, target)).rejects.toThrow(/header field too long/);
});

test("applyLayer() tells a cut stream, a broken header and broken compression", async () => {
  using temporary = temporaryDirectory();
  const target = { dir: temporary.dir, whiteouts: "delete" } as const;
  const layer = buildLayer([{ name: "f", data: "x".repeat(3000) }]);
  await expect(unpack(layer.subarray(0, 1500), target)).rejects.toThrow(/unexpected EOF/);
  await expect(unpack(layer.subarray(0, 100), target)).rejects.toThrow(/unexpected EOF/);
  await expect(unpack(Buffer.from(layer).fill("!", 0, 3), target)).rejects.toThrow(/invalid tar header/);
  await expect(unpack(gzipSync(layer).subarray(0, 40), target)).rejects.toThrow(/cannot decompress layer/);
  const noise = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(3000)));
  const cut = zstdCompressSync(buildLayer([{ name: "f", data: noise }])).subarray(0, 1500);
  await expect(unpack(cut, target)).rejects.toThrow(/unexpected EOF/);
});

test("R12: applyLayer() stops at its limits", async () => {
  using temporary = temporaryDirectory();
  const target = { dir: temporary.dir, whiteouts: "delete" } as const;
  const bomb = zstdCompressSync(Buffer.alloc(16 * 1024 * 1024));
  const layer = buildLayer([{ name: "a" }, { name: "b" }, { name: "c" }]);
  const exhausted = { code: "resource_exhausted" };
  await expect(unpack(layer, target, { limits: { ...defaultLimits, maxEntries: 2 } })).rejects.toMatchObject(exhausted);
  await expect(unpack(layer, target, { limits: { ...defaultLimits, maxBytes: 600 } })).rejects.toMatchObject(exhausted);
  const full = Buffer.concat([buildLayer([]), Buffer.alloc(0)]);
  expect((await unpack(full, target)).size).toBe(1024);
  const ratio = { ...defaultLimits, ratioAfterBytes: 1024 * 1024, maxRatio: 1000 };
  await expect(unpack(bomb, target, { limits: ratio })).rejects.toMatchObject(exhausted);
});

test("applyLayer() makes directories deeper than a path may be long", async () => {
  using temporary = temporaryDirectory();
  // 5,000 bytes, and PATH_MAX is 4,096.
  const depth = 2_500;
  const name = "d/".repeat(depth);
  await unpack(buildLayer([{ name }, { name: `${name}f`, data: "deep" }]), {
    dir: temporary.dir,
    whiteouts: "delete",
  });
  using tree = openTree(temporary.dir);
  expect(tree.kind(tree.open(name.slice(0, -1)), "f")).toBe("file");
  tree.remove(tree.open(""), "d");
  expect(existsSync(`${temporary.dir}/d`)).toBe(false);
});

test("applyLayer() is stopped by its signal", async () => {
  using temporary = temporaryDirectory();
  const signal = AbortSignal.abort(new Error("stop"));
  const target = { dir: temporary.dir, whiteouts: "delete" } as const;
  await expect(unpack(buildLayer([{ name: "f" }]), target, { signal })).rejects.toThrow("stop");
  expect(existsSync(`${temporary.dir}/f`)).toBe(false);
});

test("applyLayer() follows links that were there before, inside the root", async () => {
  using temporary = temporaryDirectory();
  const { dir } = temporary;
  mkdirSync(`${dir}/usr/lib`, { recursive: true });
  symlinkSync("/usr/lib", `${dir}/lib`);
  await unpack(buildLayer([{ name: "lib/x.so", data: "so" }]), { dir, whiteouts: "delete" });
  expect(text(`${dir}/usr/lib/x.so`)).toBe("so");
});
