import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout, nginxLayout, readBlob } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { busybox, sharedBench } from "./setup.ts";

/** Flags and commands of images that the differential suite does not reach. */
const bench = sharedBench("images");
beforeAll(bench.open);
afterAll(bench.close);

const lines = (text: string) => text.split("\n").filter(Boolean);

test("images inspect: the image as a tree of descriptors, with --content their bytes too", async () => {
  const { line } = bench.now;
  const { target } = await busyboxLayout();
  const manifest = JSON.parse((await readBlob(await busyboxLayout(), target.digest)).toString());
  const plain = await line(["images", "inspect", busybox]);
  const [name, created, updated, root] = lines(plain);
  expect(name).toBe(busybox);
  expect(created).toMatch(/^│ {4}Created: \d{4}-/);
  expect(updated).toMatch(/^│ {4}Updated: \d{4}-/);
  expect(root).toBe(`└── ${target.mediaType} @${target.digest} (${target.size} bytes)`);
  for (const { mediaType, digest, size } of [manifest.config, ...manifest.layers]) {
    expect(plain).toContain(`── ${mediaType} @${digest} (${size} bytes)\n`);
  }
  expect(plain).not.toContain("schemaVersion");
  const content = await line(["images", "inspect", "--content", busybox]);
  expect(content).toContain(`│"containerd.io/gc.ref.content.config": "${manifest.config.digest}"`);
  expect(content).toContain('"schemaVersion": 2');
  const { code, stderr } = await bench.now.ctr(["images", "inspect", "nosuch"]);
  expect(code).toBe(1);
  expect(stderr).toStartWith('ctr: image "nosuch": not found');
});

test("images usage: a row per snapshot; of the snapshotter that is named", async () => {
  const { ctr, line } = bench.now;
  const [heading, row, ...more] = lines(await line(["images", "usage", busybox]));
  expect(heading).toMatch(/^KEY +SIZE +INODES *$/);
  const [key = "", size = "", unit = "", inodes = ""] = row?.split(/ +/) ?? [];
  expect(more).toEqual([]);
  const usage = lines(await line(["snapshots", "usage", key]))[1]?.split(/ +/) ?? [];
  expect(usage.slice(0, 4)).toEqual([key, size, unit, inodes]);
  const native = await ctr(["images", "usage", "--snapshotter", "native", busybox]);
  expect(native).toMatchObject({ code: 1, stdout: "" });
  expect(native.stderr).toStartWith(`ctr: image ${busybox} isn't unpacked in snapshotter native\n`);
});

test("images check --quiet: the names of those that are complete and unpacked, as the Go tool prints them", async () => {
  const { go, line } = bench.now;
  await line(["images", "tag", busybox, "local/quiet:1"]);
  const quiet = await line(["images", "check", "--quiet"]);
  expect(lines(quiet).sort()).toEqual([busybox, "local/quiet:1"]);
  expect(quiet).toBe((await go(["images", "check", "--quiet"])).stdout);
  expect(await line(["images", "check", "--quiet", "--snapshotter", "native"])).toBe("");
});

test("images mount: in the snapshotter that is named, for as long as --expiration says", async () => {
  const { daemon, line } = bench.now;
  const target = await mkdtemp(join(daemon.dir, "mounted-"));
  const words = ["--snapshotter", "native", "--expiration", "5h"];
  const printed = lines(await line(["images", "mount", ...words, busybox, target]));
  try {
    expect(printed).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64}$/), target]);
    expect((await readFile(join(target, "bin/busybox"))).subarray(1, 4).toString()).toBe("ELF");
    const keys = async (snapshotter: string) => await line(["snapshots", "--snapshotter", snapshotter, "ls"]);
    expect(await keys("native")).toContain(target);
    expect(await keys("overlayfs")).not.toContain(target);
    const lease = lines(await line(["leases", "ls"])).find((row) => row.startsWith(target)) ?? "";
    const expires = Date.parse(/containerd\.io\/gc\.expire=(\S+)/.exec(lease)?.[1] ?? "");
    expect((expires - Date.now()) / 3_600_000).toBeCloseTo(5, 1);
  } finally {
    await line(["images", "unmount", "--rm", "--snapshotter", "native", target]);
  }
  expect(await line(["snapshots", "--snapshotter", "native", "ls"])).not.toContain(target);
});

test("images mount --platform mounts another platform's image; delete --sync: its content goes before the command ends", async () => {
  const { daemon, line } = bench.now;
  const archive = join(daemon.dir, "nginx.tar");
  await archiveOf(await nginxLayout(), archive);
  await line(["images", "import", "--local", "--all-platforms", "--base-name", "local/nginx", archive]);
  const { target } = await nginxLayout();
  expect(await line(["content", "ls", "-q"])).toContain(target.digest);
  const mounted = async (...words: readonly string[]) => {
    const [chainID = ""] = lines(await line(["images", "mount", ...words, "local/nginx:latest", at]));
    await line(["images", "unmount", "--rm", at]);
    return chainID;
  };
  const at = await mkdtemp(join(daemon.dir, "platform-"));
  expect(await mounted("--platform", "linux/arm64")).not.toBe(await mounted());
  expect(await mounted("--platform", "linux/amd64")).toBe(await mounted());
  await line(["images", "delete", "--sync", "local/nginx:latest"]);
  expect(await line(["content", "ls", "-q"])).not.toContain(target.digest);
});

test("images import --discard-unpacked-layers: layers that are unpacked need no blobs, and the image runs", async () => {
  const { archive, daemon } = bench.now;
  const { target } = await busyboxLayout();
  const manifest = JSON.parse((await readBlob(await busyboxLayout(), target.digest)).toString());
  for (const discard of [false, true]) {
    const root = join(daemon.dir, `discard-${discard}`);
    const ours = (...words: readonly string[]) => mustRun([ourCtr, "-a", `embedded://${root}`, ...words]);
    try {
      const words = ["--local", ...(discard ? ["--discard-unpacked-layers"] : [])];
      await ours("images", "import", ...words, "--base-name", "docker.io/library/busybox", archive);
      await ours("leases", "create", "--id", "after");
      await ours("leases", "delete", "--sync", "after");
      const blobs = await ours("content", "ls", "-q");
      expect(blobs).toContain(manifest.config.digest);
      expect(blobs.includes(manifest.layers[0].digest)).toBe(!discard);
      expect(await ours("run", "--rm", busybox, "here", "echo", "hi")).toBe("hi\n");
    } finally {
      await forgetStore(root);
    }
  }
});

test("--local takes the client's own way on a daemon with a transfer service, and prints as 1.6 did", async () => {
  const { archive, daemon } = bench.now;
  const root = join(daemon.dir, "local");
  const ours = (...words: readonly string[]) => run([ourCtr, "-a", `embedded://${root}`, ...words]);
  try {
    const words = ["--base-name", "docker.io/library/busybox", archive];
    const old = await ours("images", "import", "--local", ...words);
    expect(old.stdout).toStartWith(`unpacking ${busybox} (sha256:`);
    const transferred = await ours("images", "import", ...words);
    expect(transferred.stdout).not.toContain("unpacking ");
    const exported = async (...flags: readonly string[]) => {
      const { code, stdout } = await ours("images", "export", ...flags, join(daemon.dir, "out.tar"), busybox);
      return { code, told: stdout !== "" };
    };
    expect(await exported("--local")).toEqual({ code: 0, told: false });
    expect((await exported()).code).toBe(0);
  } finally {
    await forgetStore(root);
  }
});
