import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ErrnoError } from "./libc.ts";
import { openTree, type Tree, type TreeMetadata } from "./tree.ts";

const isRoot = process.geteuid?.() === 0;
let dir: string;
let root: string;
let outside: string;
let tree: Tree;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-tree-"));
  root = join(dir, "root");
  outside = join(dir, "outside");
  for (const path of [root, outside]) mkdirSync(path);
  writeFileSync(join(outside, "secret"), "safe", { mode: 0o600 });
  tree = openTree(root);
});
afterEach(() => {
  tree[Symbol.dispose]();
  rmSync(dir, { recursive: true, force: true });
});

const meta: TreeMetadata = {
  mode: 0o777,
  mtime: { seconds: 5_000_000_000, nanos: 123_456_789 },
  atime: { seconds: 7, nanos: 0 },
  xattrs: [],
};
const make = (parent: Parameters<Tree["makeDirectory"]>[0], name: string) => {
  tree.makeDirectory(parent, name, 0o755);
};
const refuse = () => false;

test("R4: setMetadata() keeps nanoseconds and seconds past 2^32, and changes a link instead of what it names", () => {
  symlinkSync(join(outside, "secret"), join(root, "link"));
  tree.setMetadata(tree.open(""), "link", meta, refuse);
  expect(lstatSync(join(root, "link"), { bigint: true }).mtimeNs).toBe(5_000_000_000_123_456_789n);
  const secret = lstatSync(join(outside, "secret"));
  expect(secret.mode & 0o777).toBe(0o600);
  expect(secret.mtimeMs).toBeLessThan(5e12);
});

test.if(isRoot)("setAttributes() gives what a new owner, umask and directory have taken, and leaves the times", () => {
  writeFileSync(join(root, "tool"), "");
  chmodSync(join(root, "tool"), 0o4755);
  tree.setAttributes(tree.open(""), "tool", { owner: { uid: 5, gid: 6 }, mode: 0o4755, xattrs: [] }, refuse);
  const { uid, gid, mode, mtimeMs } = lstatSync(join(root, "tool"));
  expect([uid, gid, mode & 0o7777]).toEqual([5, 6, 0o4755]);
  expect(Date.now() - mtimeMs).toBeLessThan(60_000);
  chmodSync(root, 0o2755);
  const before = process.umask(0o077);
  try {
    tree.makeDirectory(tree.open(""), "d", 0o755);
    tree.setAttributes(tree.open(""), "d", { owner: { uid: 0, gid: 0 }, mode: 0o755, xattrs: [] }, refuse);
    expect(lstatSync(join(root, "d")).mode & 0o7777).toBe(0o755);
  } finally {
    process.umask(before);
  }
});

test.if(isRoot)("setFileMetadata() gives a file what umask and directory have not given it", () => {
  const groups = tree.open("d", (parent, name) => tree.makeDirectory(parent, name, 0o755));
  chownSync(join(root, "d"), 0, 7);
  chmodSync(join(root, "d"), 0o2755);
  const before = process.umask(0o077);
  try {
    const wanted = [
      { owner: { uid: 0, gid: 0 }, mode: 0o644 },
      { owner: { uid: 0, gid: 7 }, mode: 0o600 },
      { owner: { uid: 5, gid: 6 }, mode: 0o4755 },
      { owner: { uid: 0, gid: 7 }, mode: 0o6711 },
    ];
    const made = wanted.map(({ owner, mode }, at) => {
      const fd = tree.createFile(groups, `${at}`, mode) ?? -1;
      tree.setFileMetadata(fd, { ...meta, owner, mode }, refuse);
      tree.close(fd);
      const { uid, gid, mode: is, mtimeMs } = lstatSync(join(root, "d", `${at}`));
      expect(Math.floor(mtimeMs)).toBe(5_000_000_000_123);
      return { owner: { uid, gid }, mode: is & 0o7777 };
    });
    expect(made).toEqual(wanted);
  } finally {
    process.umask(before);
  }
});

test("R4: createFile() makes no file where a link stands, and writes through none", () => {
  symlinkSync(join(outside, "new"), join(root, "link"));
  expect(tree.createFile(tree.open(""), "link")).toBeUndefined();
  expect(existsSync(join(outside, "new"))).toBe(false);
});

test.each([
  ["an absolute link", "/made", "made"],
  ["a link that climbs", "../../../made", "made"],
  ["a link to a link", "second", "behind"],
  ["a link through a directory and back", "real/../made", "made"],
])("R16, R32: open() ends %s inside the root", (_what, target, found) => {
  mkdirSync(join(root, "real"));
  symlinkSync("/behind", join(root, "second"));
  symlinkSync(target, join(root, "link"));
  expect(tree.open("link/sub", make).path).toBe(`${found}/sub`);
  expect(lstatSync(join(root, found, "sub")).isDirectory()).toBe(true);
});

test.each([
  ["a link that goes round", "loop/x", "ELOOP"],
  ["a file as a directory", "file/x", "ENOTDIR"],
  ["what is not there", "none/x", "ENOENT"],
])("open() refuses %s", (_what, path, code) => {
  symlinkSync("loop", join(root, "loop"));
  writeFileSync(join(root, "file"), "");
  expect(() => tree.open(path)).toThrow(expect.objectContaining({ code }));
});

test("open() finds a path anew after forget()", () => {
  mkdirSync(join(root, "d"));
  mkdirSync(join(root, "e"));
  tree.open("d");
  rmSync(join(root, "d"), { recursive: true });
  symlinkSync("e", join(root, "d"));
  tree.forget();
  expect(tree.open("d").path).toBe("e");
});

test("open() keeps serving when there are more directories than it holds open", () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 500; i++) tree.open(`a${i}/b`, make);
  expect(tree.open("a0/b").path).toBe("a0/b");
  expect(readdirSync("/proc/self/fd").length - before).toBeLessThan(200);
  tree[Symbol.dispose]();
  expect(readdirSync("/proc/self/fd").length - before).toBeLessThan(1);
});

test("R4: remove() takes a tree away and follows no link out of it", () => {
  mkdirSync(join(root, "d/e/f"), { recursive: true });
  writeFileSync(join(root, "d/e/file"), "");
  symlinkSync(outside, join(root, "d/e/out"));
  tree.remove(tree.open(""), "d");
  expect(readdirSync(root)).toEqual([]);
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe("safe");
});

test("names are bytes, and a NUL in one is refused", () => {
  tree.close(tree.createFile(tree.open(""), "\xff\x80") ?? -1);
  expect(readdirSync(root, { encoding: "buffer" }).map((name) => name.toString("latin1"))).toEqual(["\xff\x80"]);
  expect(tree.list(tree.open(""))).toEqual(["\xff\x80"]);
  expect(() => tree.createFile(tree.open(""), "a\0b")).toThrow(ErrnoError);
});

/** Swaps `d` for a link to the outside and back as fast as it can, until it is told to stop. */
const SWAPPER = `
const { renameSync, existsSync } = require("node:fs");
const [root] = process.argv.slice(1);
process.chdir(root);
process.stdout.write("ready\\n");
for (let i = 0; !existsSync("stop"); i++) {
  renameSync("d", "was-directory"); renameSync("link", "d");
  renameSync("d", "link"); renameSync("was-directory", "d");
}`;
/** What one unpacking in the race does to `d`. */
const ROUNDS = 10_000;

test("R4, R16: nothing outside changes while somebody swaps directories for links", async () => {
  mkdirSync(join(root, "d"));
  symlinkSync(outside, join(root, "link"));
  chmodSync(outside, 0o755);
  const before = lstatSync(outside, { bigint: true });
  await using swapper = Bun.spawn([process.execPath, "-e", SWAPPER, root], { stdout: "pipe", stderr: "inherit" });
  await swapper.stdout.getReader().read();
  const seen = { written: 0, refused: 0 };
  for (let round = 0; round < ROUNDS || (Math.min(seen.written, seen.refused) < 20 && round < 100 * ROUNDS); round++) {
    tree.forget();
    try {
      const fd = tree.createFile(tree.open("d"), `f${round}`);
      if (fd !== undefined) {
        tree.setFileMetadata(fd, meta, refuse);
        tree.close(fd);
      }
      tree.setMetadata(tree.open(""), "d", { ...meta, mode: 0o700 }, refuse);
      tree.setXattr(tree.open("d"), { name: "user.x", value: Buffer.from("y") });
      tree.remove(tree.open("d"), `f${round}`);
      tree.remove(tree.open("d"), "secret");
      seen.written += 1;
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      seen.refused += 1;
    }
  }
  writeFileSync(join(root, "stop"), "");
  expect(await swapper.exited).toBe(0);
  expect(Math.min(seen.written, seen.refused)).toBeGreaterThan(0);
  expect(readdirSync(outside)).toEqual(["secret"]);
  const after = lstatSync(outside, { bigint: true });
  expect([after.mode, after.mtimeNs, after.ctimeNs]).toEqual([before.mode, before.mtimeNs, before.ctimeNs]);
}, 20_000);
