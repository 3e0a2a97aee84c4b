import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { busyboxLayout, nginxLayout, pushLayout, sha256 } from "../support/images.ts";
import { mustRun } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { records } from "./harness.ts";
import { busybox, nginx, sharedArena } from "./setup.ts";

const arena = sharedArena();
let registry: PrivateRegistry;
beforeAll(async () => {
  [registry] = await Promise.all([startRegistry(), arena.open()]);
  await pushLayout(registry.host, "lib/nginx", "1", await nginxLayout());
  await pushLayout(registry.host, "lib/busybox", "1", await busyboxLayout());
});
afterAll(async () => {
  await arena.close();
  await registry[Symbol.asyncDispose]();
});

/** Without its progress frames a pull says what it unpacked; frames depend on speed. */
const afterProgress = (text: string) => text.slice(text.search(/^(unpacking|done)/m));

/** The lines of the last frame: what each thing came to. */
function lastFrame(text: string): readonly string[] {
  const frames = text.split(/^(?=\S+\/\S+: +(?:resolving|resolved) )/m);
  return (
    (frames.at(-1) ?? "")
      .split("\n")
      .filter((line) => line.includes("|"))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the bar is coloured by escape codes.
      .map((line) => line.replace(/\u001b\[\d*[A-Za-z]/g, "").trimEnd())
      .sort()
  );
}

test.each([
  [["lib/nginx:1"]],
  [["--platform", "linux/arm64", "lib/nginx:1"]],
  [["--all-platforms", "lib/nginx:1"]],
  [["--label", "a=b", "lib/busybox:1"]],
  [["--snapshotter", "native", "lib/busybox:1"]],
  [["--print-chainid", "lib/busybox:1"]],
])("images pull %j: the same blobs, labels, snapshots and image", async (words) => {
  const { pair } = arena.now;
  const ref = `${registry.host}/${words.at(-1)}`;
  const argv = ["images", "pull", "--plain-http", ...words.slice(0, -1), ref];
  const theirs = await pair.go(argv, "diff-base");
  const ours = await pair.ours(argv);
  expect([ours.code, ours.stderr]).toEqual([theirs.code, ""]);
  const strip = (text: string) => afterProgress(text).replace(/done: .*/, "done");
  expect(strip(ours.stdout)).toBe(strip(theirs.stdout));
  expect(lastFrame(ours.stdout)).toEqual(lastFrame(theirs.stdout));
  await pair.sameState(
    records.images,
    records.snapshots,
    ["snapshots", "--snapshotter", "native", "ls"],
    ["images", "check"],
    records.leases,
  );
  await pair.sameContent();
  await pair.prepare(["images", "rm", "--sync", ref]);
});

test("images pull: what cannot be pulled", async () => {
  const { pair } = arena.now;
  const { host } = registry;
  for (const ref of [`${host}/nosuch:1`, `${host}/lib/nginx:nosuch`, "busybox", "127.0.0.1:1/x/y:1", "bad ref"]) {
    const { ours } = await pair.step({ argv: ["images", "pull", "--plain-http", ref], stdout: "failed" });
    expect(ours.code).toBe(1);
  }
  await pair.steps([["images", "pull"]]);
  await pair.sameState(records.images, records.content, records.leases);
});

test("images push: the registry gets the same", async () => {
  const { pair } = arena.now;
  const { host } = registry;
  for (const [argv, ours, theirs] of [
    [["--plain-http"], "push/ours:1", "push/base:1"],
    [["--plain-http", "--platform", "linux/amd64"], "push/ours:2", "push/base:2"],
  ] as const) {
    const mine = await pair.ours(["images", "push", ...argv, `${host}/${ours}`, nginx]);
    const base = await pair.go(["images", "push", ...argv, `${host}/${theirs}`, nginx], "diff-base");
    expect([mine.code, mine.stderr, base.code]).toEqual([0, "", 0]);
    expect(await manifestOf(ours)).toEqual(await manifestOf(theirs));
  }
  await pair.steps([["images", "push"]]);
  await pair.step({ argv: ["images", "push", "--plain-http", `${host}/x:1`, "nosuch"], stdout: "failed" });
});

test("images export: the same archive, byte for byte but for what 2.4 adds", async () => {
  const { pair, dir } = arena.now;
  for (const words of [
    [nginx],
    [busybox],
    [busybox, nginx],
    ["--platform", "linux/arm64", nginx],
    ["--all-platforms", nginx],
    ["--skip-manifest-json", busybox],
  ]) {
    const images = words.filter((word) => word.startsWith("docker.io"));
    const flags = words.filter((word) => !word.startsWith("docker.io"));
    const [ours, theirs] = [join(dir, "ours.tar"), join(dir, "base.tar")];
    await pair.ours(["images", "export", ...flags, ours, ...images]);
    await pair.go(["images", "export", ...flags, theirs, ...images], "diff-base");
    expect(await members(ours)).toBe(await members(theirs));
    expect(await member(ours, "index.json")).toEqual({
      mediaType: "application/vnd.oci.image.index.v1+json",
      ...(await member(theirs, "index.json")),
    });
    if (!flags.includes("--skip-manifest-json"))
      expect(await member(ours, "manifest.json")).toEqual(await member(theirs, "manifest.json"));
  }
  await pair.steps([
    ["images", "export"],
    ["images", "export", join(dir, "x.tar")],
  ]);
  await pair.step({ argv: ["images", "export", join(dir, "x.tar"), "nosuch"] });
});

test("images export to stdout is the same bytes as to a file", async () => {
  const { pair, dir } = arena.now;
  const file = join(dir, "file.tar");
  await pair.ours(["images", "export", file, busybox]);
  const stdout = await mustRun([
    "sh",
    "-c",
    `${(await import("../support/binaries.ts")).ourCtr} -a ${arena.now.address} -n diff-ours i export - ${busybox} | sha256sum`,
  ]);
  expect(stdout.split(" ")[0]).toBe(sha256(await readFile(file)).slice("sha256:".length));
});

test.each([
  [["--base-name", "imported/one", "$BUSYBOX"]],
  [["--digests", "--base-name", "imported/two", "$BUSYBOX"]],
  [["--index-name", "imported/index:1", "$NGINX"]],
  [["--all-platforms", "--base-name", "imported/all", "$NGINX"]],
  [["--platform", "linux/amd64", "--base-name", "imported/amd", "$NGINX"]],
  [["--no-unpack", "--base-name", "imported/packed", "$BUSYBOX"]],
  [["--snapshotter", "native", "--base-name", "imported/native", "$BUSYBOX"]],
  [["$DIR/no-such-file"]],
  [["$DIR/not-a-tar"]],
  [["$DIR/empty-tar"]],
])("images import %j", async (words) => {
  const { pair, dir, archives } = arena.now;
  await writeFile(join(dir, "not-a-tar"), "x".repeat(4096));
  await writeFile(join(dir, "empty-tar"), new Uint8Array(10240));
  const fill = (word: string) =>
    word.replace("$BUSYBOX", archives.busybox).replace("$NGINX", archives.nginx).replace("$DIR", dir);
  await pair.step({ argv: ["images", "import", ...words.map(fill)] });
  await pair.sameState(
    records.images,
    records.snapshots,
    ["snapshots", "--snapshotter", "native", "ls"],
    records.leases,
  );
  await pair.sameContent();
});

test("images import of a docker archive", async () => {
  const { pair, dir } = arena.now;
  const archive = join(dir, "docker.tar");
  await rm(archive, { force: true });
  await mustRun([
    "skopeo",
    "copy",
    "--insecure-policy",
    `oci:${(await busyboxLayout()).dir}:latest`,
    `docker-archive:${archive}:local/docker:1`,
  ]);
  await pair.step({ argv: ["images", "import", archive] });
  await pair.sameState(records.images, records.snapshots);
  await pair.sameContent();
});

test("images mount and unmount", async () => {
  const { pair, dir } = arena.now;
  const target = join(dir, "mounted");
  await mkdir(target);
  for (const flags of [[], ["--rw"]]) {
    await pair.step({ argv: ["images", "mount", ...flags, busybox, target] });
    await mustRun(["sh", "-c", `umount -A ${target} || true`]);
    await pair.sameState(records.snapshots);
    await pair.step({ argv: ["images", "unmount", "--rm", target] });
    await pair.sameState(records.snapshots, records.leases);
  }
  await pair.steps([
    ["images", "mount"],
    ["images", "mount", "nosuch", target],
    ["images", "unmount"],
    ["images", "unmount", target],
  ]);
});

async function manifestOf(name: string): Promise<{ readonly media: string | null; readonly body: string }> {
  const [repository, tag] = name.split(":");
  const accept =
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
  const response = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, { headers: { accept } });
  return { media: response.headers.get("content-type"), body: await response.text() };
}

/** Names, sizes, modes, owners and times of every member, but the size of index.json. */
async function members(archive: string): Promise<string> {
  const list = await mustRun(["tar", "--numeric-owner", "--full-time", "-tvf", archive]);
  return list.replace(/\d+ (?=\S+ \S+ index\.json)/, "<size> ");
}

async function member(archive: string, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await mustRun(["tar", "-xOf", archive, name]));
}
