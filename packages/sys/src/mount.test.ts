import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountAll, readOnlyMounts, unmountAll } from "./mount.ts";
import { mountPointsAt, parseMountInfo } from "./mountinfo.ts";

const isRoot = process.getuid?.() === 0;
let dir: string;
let target: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ctr-mount-"));
  target = join(dir, "target");
  mkdirSync(target);
});
afterEach(async () => {
  await unmountAll(target);
  rmSync(dir, { recursive: true, force: true });
});

function tree(name: string, files: Readonly<Record<string, string>> = {}): string {
  const path = join(dir, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

test.if(isRoot)("mountAll() binds read-only in two steps", async () => {
  const source = tree("source", { a: "1" });
  await mountAll([{ type: "bind", source, target: "", options: ["rbind", "ro"] }], target);
  expect(readFileSync(join(target, "a"), "utf8")).toBe("1");
  expect(() => writeFileSync(join(target, "a"), "2")).toThrow(/EROFS|read-only/);
});

test.if(isRoot)("mountAll() makes an overlay of more layers than a page has room for", async () => {
  const long = "l".repeat(60);
  const lower = Array.from({ length: 50 }, (_none, index) =>
    tree(`${long}/${index}/fs`, { [`f${index}`]: `${index}` }),
  );
  const options = [`lowerdir=${lower.join(":")}`, `upperdir=${tree("upper")}`, `workdir=${tree("work")}`];
  expect(options.join(",").length).toBeGreaterThan(4096);
  const before = process.cwd();
  await mountAll([{ type: "overlay", source: "overlay", target: "", options }], target);
  expect(process.cwd()).toBe(before);
  expect(readFileSync(join(target, "f49"), "utf8")).toBe("49");
  writeFileSync(join(target, "new"), "x");
  expect(existsSync(join(dir, "upper/new"))).toBe(true);
});

test.if(isRoot)("readOnlyMounts() shows an overlay with its upper layer on top, and cannot change it", async () => {
  const lower = tree("lower", { a: "low", b: "low" });
  const upper = tree("upper", { b: "up" });
  const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${tree("work")}`, "volatile"];
  await mountAll(readOnlyMounts([{ type: "overlay", source: "overlay", target: "", options }]), target);
  expect(["a", "b"].map((file) => readFileSync(join(target, file), "utf8"))).toEqual(["low", "up"]);
  expect(() => writeFileSync(join(target, "c"), "")).toThrow();
  expect(existsSync(join(upper, "c"))).toBe(false);
});

test.if(isRoot)("mountAll() takes down what it mounted when a later one fails", async () => {
  const good = { type: "tmpfs", source: "tmpfs", target: "", options: ["size=1m"] };
  const bad = { type: "nosuchfs", source: "x", target: "", options: [] };
  await expect(mountAll([good, bad], target)).rejects.toMatchObject({ code: "ENODEV", syscall: "mount" });
  expect(mountPointsAt(target)).toEqual([]);
});

test.if(isRoot)("mountAll() puts a mount below the target inside it, whatever links are there", async () => {
  const outside = tree("outside");
  const inside = tree("target/real");
  const { symlinkSync } = await import("node:fs");
  symlinkSync("/real", join(target, "link"));
  await mountAll([{ type: "tmpfs", source: "tmpfs", target: "link", options: [] }], target);
  expect(mountPointsAt(inside).length).toBe(1);
  expect(mountPointsAt(outside).length).toBe(0);
  await unmountAll(inside);
});

test.if(isRoot)("unmountAll() takes off every layer, and nothing mounted is no error", async () => {
  const tmpfs = { type: "tmpfs", source: "tmpfs", target: "", options: [] };
  await mountAll([tmpfs, tmpfs, tmpfs], target);
  expect(mountPointsAt(target).length).toBe(3);
  await unmountAll(target);
  await unmountAll(target);
  expect(mountPointsAt(target)).toEqual([]);
});

test("mountAll() refuses what only the mount manager understands", async () => {
  const mount = { type: "bind", source: "/", target: "", options: ["X-containerd.mkdir.path=/x"] };
  await expect(mountAll([mount], target)).rejects.toThrow(/mount manager/);
});

test("parseMountInfo() reads optional fields and escaped blanks, and skips what is no line", () => {
  const text = String.raw`36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 shared:2 - ext3 /dev/root\011x rw,errors=continue
nonsense
`;
  expect(parseMountInfo(text)).toEqual([
    {
      id: 36,
      parent: 35,
      major: 98,
      minor: 0,
      root: "/mnt1",
      mountPoint: "/mnt 2",
      options: ["rw", "noatime"],
      type: "ext3",
      source: "/dev/root\tx",
      superOptions: ["rw", "errors=continue"],
    },
  ]);
});
