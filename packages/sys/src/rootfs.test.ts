import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "./fifo.ts";
import { MAX_ROOTFS_FILE_BYTES, openByKernel, openByWalking, openRoot, type RootOpener } from "./rootfs.ts";

let dir: string;
let root: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-rootfs-"));
  root = join(dir, "root");
  mkdirSync(join(root, "etc/deep/er"), { recursive: true });
  writeFileSync(join(dir, "secret"), "outside");
  writeFileSync(join(root, "secret"), "inside");
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0");
  const links = {
    absolute: "/etc/passwd",
    "absolute-outside": join(dir, "secret"),
    climbing: "../../../../../../secret",
    "etc/deep/er/up": "../../../secret",
    "etc/deep/root": "/",
    chain: "absolute",
    "loop-a": "loop-b",
    "loop-b": "loop-a",
    self: "self",
    dangling: "/no/such",
    "host-proc": "/proc/self/root/etc/passwd",
    dot: ".",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(root, name));
  makeFifo(join(root, "fifo"), 0o600);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const openers: readonly (readonly [string, RootOpener])[] = [
  ["the kernel", openByKernel],
  ["the walker", openByWalking],
];

const found = [
  ["a plain path", "etc/passwd", "root:x:0:0"],
  ["an absolute path", "/etc/passwd", "root:x:0:0"],
  ["an absolute link", "absolute", "root:x:0:0"],
  ["a link to a link", "chain", "root:x:0:0"],
  ["a path that climbs above the root", "../../../secret", "inside"],
  ["a link that climbs above the root", "climbing", "inside"],
  ["a link that climbs back to the root", "etc/deep/er/up", "inside"],
  ["a link to / in the middle", "etc/deep/root/etc/passwd", "root:x:0:0"],
  ["dots and double slashes", "./etc//deep/../passwd", "root:x:0:0"],
  ["a link to here", "dot/dot/dot/secret", "inside"],
] as const;

const refused = [
  ["what is not there", "etc/shadow", "ENOENT"],
  ["a link to a file outside", "absolute-outside", "ENOENT"],
  ["a dangling link", "dangling", "ENOENT"],
  ["a link into the host's /proc", "host-proc", "ENOENT"],
  ["two links in a circle", "loop-a", "ELOOP"],
  ["a link to itself", "self", "ELOOP"],
  ["a file used as a directory", "etc/passwd/x", "ENOTDIR"],
  ["a directory", "etc", "EISDIR"],
  ["a FIFO, which must not be waited for", "fifo", "EINVAL"],
] as const;

test.each(
  openers.flatMap(([by, opener]) => found.map(([what, path, text]) => [by, what, path, text, opener] as const)),
)("R9, R25, R32: by %s readFile() follows %s inside the root", async (_by, _what, path, content, opener) => {
  await using tree = await openRoot(root, opener);
  expect(new TextDecoder().decode(await tree.readFile(path))).toBe(content);
});

test.each(
  openers.flatMap(([by, opener]) => refused.map(([what, path, code]) => [by, what, path, code, opener] as const)),
)("R9, R25, R32: by %s readFile() refuses %s", async (_by, _what, path, code, opener) => {
  await using tree = await openRoot(root, opener);
  await expect(tree.readFile(path)).rejects.toMatchObject({ code });
});

test.each(openers)("by %s list() and stat() see what is inside, resolve() names it outside", async (_by, opener) => {
  await using tree = await openRoot(root, opener);
  expect(await tree.list("etc/deep/root/etc")).toEqual(["deep", "passwd"]);
  expect(await tree.stat("absolute")).toMatchObject({ kind: "file", size: 10 });
  expect(await tree.stat("fifo")).toMatchObject({ kind: "other" });
  expect(await tree.resolve("etc/deep/er/../../passwd")).toBe(join(root, "etc/passwd"));
  expect(await tree.resolve("../..")).toBe(root);
});

test.each(openers)(
  "R25, R32: by %s a directory that turns into a link out of the tree never leads there",
  async (_by, opener) => {
    const real = join(root, "turning-real");
    const link = join(root, "turning-link");
    const name = join(root, "turning");
    mkdirSync(real);
    writeFileSync(join(real, "secret"), "inside");
    symlinkSync(dir, link);
    await using tree = await openRoot(root, opener);
    const worker = new Worker(
      URL.createObjectURL(
        new Blob([
          `const { renameSync } = require("node:fs");
         const [real, link, name] = ${JSON.stringify([real, link, name])};
         postMessage("ready");
         for (let i = 0; i < 4000; i++) {
           renameSync(real, name); renameSync(name, real); renameSync(link, name); renameSync(name, link);
         }
         postMessage("done");`,
        ]),
      ),
    );
    let done = false;
    await new Promise<void>((resolve) => {
      worker.onmessage = ({ data }) => {
        done = data === "done";
        resolve();
      };
    });
    const seen = new Set<string>();
    while (!done) {
      const text = await tree.readFile("turning/secret").then((bytes) => new TextDecoder().decode(bytes), codeOf);
      seen.add(text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    worker.terminate();
    expect(seen).not.toContain("outside");
    expect([...seen].filter((text) => !["inside", "ENOENT", "ELOOP", "ENOTDIR", "EAGAIN"].includes(text))).toEqual([]);
    for (const path of [real, link]) rmSync(path, { recursive: true, force: true });
  },
);

test.each(openers)("R25: by %s readFile() reads no more than an account file can need", async (_by, opener) => {
  const path = join(root, "huge");
  writeFileSync(path, "");
  truncateSync(path, MAX_ROOTFS_FILE_BYTES + 1);
  await using tree = await openRoot(root, opener);
  await expect(tree.readFile("huge")).rejects.toMatchObject({ code: "ENOMEM" });
  rmSync(path);
});

/** Lets the kernel refuse openat2 (437), as container managers that do not know it do; then reads by several ways. */
const UNDER_SECCOMP = `
const { dlopen, ptr } = require("bun:ffi");
const { prctl } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "ptr", "u64", "u64"], returns: "i32" } }).symbols;
const [errno, root, module] = process.argv.slice(1);
// load number; if it is openat2 return errno, else allow.
const program = new Uint8Array(32);
const view = new DataView(program.buffer);
const put = (at, code, jt, jf, k) => {
  view.setUint16(at, code, true); view.setUint8(at + 2, jt); view.setUint8(at + 3, jf); view.setUint32(at + 4, k, true);
};
put(0, 0x20, 0, 0, 0); put(8, 0x15, 0, 1, 437); put(16, 0x06, 0, 0, 0x50000 | Number(errno)); put(24, 0x06, 0, 0, 0x7fff0000);
const filter = new Uint8Array(16);
new DataView(filter.buffer).setUint16(0, 4, true);
new DataView(filter.buffer).setBigUint64(8, BigInt(ptr(program)), true);
if (prctl(38, 1, null, 0, 0) !== 0 || prctl(22, 2, filter, 0, 0) !== 0) throw new Error("no seccomp here");
const { openByKernel, openRoot } = await import(module);
const refused = (() => { try { openByKernel(3, "."); return "works"; } catch (error) { return error.code; } })();
const tree = await openRoot(root);
const read = (path) => tree.readFile(path).then((bytes) => new TextDecoder().decode(bytes), (error) => error.code);
process.stdout.write(JSON.stringify([refused, await read("absolute"), await read("climbing"), await read("absolute-outside"), await read("host-proc")]));
`;

test.each([
  ["ENOSYS", 38],
  ["EPERM", 1],
])("R32: openRoot() walks by itself where seccomp answers openat2 with %s", async (name, errno) => {
  const argv = [process.execPath, "-e", UNDER_SECCOMP, String(errno), root, join(import.meta.dir, "rootfs.ts")];
  const child = Bun.spawn(argv, { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect({ stderr, answer: JSON.parse(stdout || "[]") }).toEqual({
    stderr: "",
    answer: [name, "root:x:0:0", "inside", "ENOENT", "ENOENT"],
  });
});

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
