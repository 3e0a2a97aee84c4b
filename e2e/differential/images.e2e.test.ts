import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { engineKind } from "../support/engine.ts";
import {
  busyboxLayout,
  type Layout,
  mediaTypes,
  nginxLayout,
  pushLayout,
  readBlob,
  sha256,
  writeBlob,
  writeLayout,
} from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { goNamespace, ourNamespace, records } from "./harness.ts";
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
  // Each frame ends in its summary; unpacking is told after the last one.
  const frames = text.split(/^.*elapsed: .*\n/m).slice(0, -1);
  return (
    (frames.at(-1) ?? "")
      .split("\n")
      .filter((line) => line.includes("|"))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the bar is coloured by escape codes.
      .map((line) => line.replace(/\u001b\[\d*[A-Za-z]/g, "").trimEnd())
      .sort()
  );
}

/**
 * docs/differences.md, pull-exists: of what was there before, the Go tool says `done` or `exists` by whether its last
 * sample came in time; ours must always say `exists`.
 */
function asItWas(line: string, before: ReadonlySet<string>): string {
  const digest = /sha256:[0-9a-f]{64}/.exec(line)?.[0] ?? "";
  return before.has(digest) ? line.replace(/: ( *)done {2} (?= *\|)/, ": $1exists ") : line;
}

const blobsIn = async (namespace: string) =>
  new Set((await arena.now.pair.go(["content", "ls", "-q"], namespace)).stdout.split("\n"));

/** Pulls with both tools, the Go tool first; what they print and what the daemon then holds must be the same. */
async function samePull(argv: readonly string[]): Promise<readonly string[]> {
  const { pair } = arena.now;
  const before = await blobsIn(ourNamespace);
  expect(before).toEqual(await blobsIn(goNamespace));
  const theirs = await pair.go(argv, goNamespace);
  const ours = await pair.ours(argv);
  expect([ours.code, ours.stderr]).toEqual([theirs.code, ""]);
  const strip = (text: string) => afterProgress(text).replace(/done: .*/, "done");
  expect(strip(ours.stdout)).toBe(strip(theirs.stdout));
  expect(lastFrame(ours.stdout)).toEqual(lastFrame(theirs.stdout).map((line) => asItWas(line, before)));
  await pair.sameState(
    records.images,
    records.snapshots,
    ["snapshots", "--snapshotter", "native", "ls"],
    ["images", "check"],
    records.leases,
  );
  await pair.sameContent();
  return lastFrame(ours.stdout);
}

test.each([
  [["lib/nginx:1"]],
  [["--platform", "linux/arm64", "lib/nginx:1"]],
  [["--all-platforms", "lib/nginx:1"]],
  [["--label", "a=b", "lib/busybox:1"]],
  [["--snapshotter", "native", "lib/busybox:1"]],
  [["--print-chainid", "lib/busybox:1"]],
])("images pull %j: the same blobs, labels, snapshots and image", async (words) => {
  const ref = `${registry.host}/${words.at(-1)}`;
  await samePull(["images", "pull", "--plain-http", ...words.slice(0, -1), ref]);
  await arena.now.pair.prepare(["images", "rm", "--sync", ref]);
});

test("images pull of what is new, and again: done, then exists", async () => {
  const ref = `${registry.host}/lib/fresh:1`;
  await pushLayout(registry.host, "lib/fresh", "1", await freshLayout());
  const first = await samePull(["images", "pull", "--plain-http", ref]);
  expect(first.filter((line) => / done +\|/.test(line))).toHaveLength(3);
  const again = await samePull(["images", "pull", "--plain-http", ref]);
  expect(again.filter((line) => / exists +\|/.test(line))).toHaveLength(3);
  await arena.now.pair.prepare(["images", "rm", "--sync", ref]);
});

test.each([
  [["lib/nginx:1"]],
  [["--all-platforms", "lib/nginx:1"]],
  [["--platform", "linux/arm64", "lib/nginx:1"]],
  [["--all-metadata", "lib/nginx:1"]],
  [["--metadata-only", "lib/nginx:1"]],
  [["--label", "a=b", "lib/busybox:1"]],
])("content fetch %j: as a pull, without unpacking", async (words) => {
  const ref = `${registry.host}/${words.at(-1)}`;
  await samePull(["content", "fetch", "--plain-http", ...words.slice(0, -1), ref]);
  await arena.now.pair.prepare(["images", "rm", "--sync", ref]);
});

test("images pull: what cannot be pulled", async () => {
  const { pair } = arena.now;
  const { host } = registry;
  for (const ref of [`${host}/nosuch:1`, `${host}/lib/nginx:nosuch`, "busybox", "127.0.0.1:1/x/y:1", "bad ref"]) {
    for (const command of [
      ["images", "pull"],
      ["content", "fetch"],
    ]) {
      const { ours, theirs } = await pair.step({ argv: [...command, "--plain-http", ref], stdout: "failed" });
      expect(ours.code).toBe(1);
      // To the letter, the hint aside; a reference that cannot be read is explained better than by "dummy://bad ref".
      const [line = ""] = ours.stderr.split("\n");
      if (ref === "bad ref") expect(line).toStartWith(`ctr: failed to resolve reference "bad ref": `);
      else expect(line).toBe(theirs.stderr.trimEnd().split("\n").at(-1) ?? "");
    }
  }
  const mips = ["images", "pull", "--plain-http", "--platform", "linux/mips", `${host}/lib/nginx:1`];
  await pair.steps([["images", "pull"], { argv: mips, stdout: "failed" }]);
  await pair.sameState(records.images, records.content, records.leases);
});

test("images push: the registry gets the same", async () => {
  const { pair } = arena.now;
  const { host } = registry;
  for (const [tag, flags, local] of [
    ["1", [], nginx],
    ["2", ["--platform", "linux/amd64"], nginx],
    ["3", [], busybox],
  ] as const) {
    const push = (name: string) => ["images", "push", "--plain-http", ...flags, `${host}/push/${name}:${tag}`, local];
    const mine = await pair.ours(push("ours"));
    const base = await pair.go(push("base"), goNamespace);
    expect([tag, mine.code, mine.stderr, base.code]).toEqual([tag, 0, "", 0]);
    const frame = lastFrame(mine.stdout);
    const layers = frame.filter((line) => line.startsWith("layer-"));
    // docs/differences.md, push-layers: the Go tool shows none.
    expect(frame.filter((line) => !layers.includes(line))).toEqual([...lastFrame(base.stdout)]);
    expect(layers.length).toBeGreaterThan(0);
    for (const line of layers) expect(line).toMatch(/^layer-sha256:[0-9a-f]{64}: +done +\|\++\|$/);
    expect(await manifestOf(`push/ours:${tag}`)).toEqual(await manifestOf(`push/base:${tag}`));
    await pullable(`${host}/push/ours:${tag}`);
  }
  await pair.steps([
    ["images", "push"],
    { argv: ["images", "push", "--plain-http", `${host}/bad ref`, busybox], stdout: "failed" },
  ]);
  await pair.step({
    argv: ["images", "push", "--plain-http", "--manifest", "sha256:12", `${host}/x:1`],
    stdout: "failed",
  });
  await pair.step({ argv: ["images", "push", "--plain-http", `${host}/x:1`, "nosuch"], stdout: "failed" });
});

test("images push --manifest: one manifest of an index", async () => {
  const { pair } = arena.now;
  const layout = await nginxLayout();
  const { manifests } = JSON.parse((await readBlob(layout, layout.target.digest)).toString());
  const { digest, mediaType } = manifests[0];
  const argv = ["images", "push", "--plain-http", "--manifest", digest, "--manifest-type", mediaType];
  // docs/differences.md, push-manifest.
  const base = await pair.go([...argv, `${registry.host}/push/base:m`], goNamespace);
  expect([base.code, base.stderr]).toEqual([2, expect.stringContaining("panic: ")]);
  expect(await pair.ours([...argv, `${registry.host}/push/ours:m`])).toMatchObject({ code: 0, stderr: "" });
  expect(sha256(Buffer.from((await manifestOf("push/ours:m")).body))).toBe(digest);
  await pullable(`${registry.host}/push/ours:m`);
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
    ["--skip-manifest-json", nginx],
  ]) {
    const images = words.filter((word) => word.startsWith("docker.io"));
    const flags = words.filter((word) => !word.startsWith("docker.io"));
    const [ours, theirs] = [join(dir, "ours.tar"), join(dir, "base.tar")];
    await pair.ours(["images", "export", ...flags, ours, ...images]);
    await pair.go(["images", "export", ...flags, theirs, ...images], goNamespace);
    // docs/differences.md, export-skip-manifest.
    const unwanted = flags.includes("--skip-manifest-json") && images.length === 1 && images[0] === busybox;
    const without = (list: string) => list.replace(/^.* manifest\.json\n/m, "");
    if (unwanted) expect(without(await members(theirs))).not.toBe(await members(theirs));
    expect(await members(ours)).toBe(unwanted ? without(await members(theirs)) : await members(theirs));
    expect(await member(ours, "index.json")).toEqual(await asOurIndex(await member(theirs, "index.json")));
    if (!flags.includes("--skip-manifest-json"))
      // The Go tool lists its images in the order of a Go map.
      expect(await dockerList(ours)).toEqual(await dockerList(theirs));
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
    `${ourCtr} -a ${arena.now.address} -n diff-ours i export - ${busybox} | sha256sum`,
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

test("images import of what images export made for one platform", async () => {
  const { pair, dir, address } = arena.now;
  const archive = join(dir, "one-platform.tar");
  await pair.prepare(["images", "export", archive, nginx]);
  // docs/differences.md, import-lesser-platforms: a namespace that has not the manifests of the others.
  const flags = (ctr: string) => (ctr === ourCtr && engineKind() !== "containerd" ? ["--local"] : []);
  const bare = (ctr: string) =>
    run([ctr, "-a", address, "-n", "diff-bare", "images", "import", ...flags(ctr), archive]);
  const theirs = await bare(goCtr);
  expect([theirs.code, theirs.stderr]).toEqual([1, expect.stringContaining(": not found")]);
  expect(await bare(ourCtr)).toMatchObject({
    code: 0,
    stderr: "",
    stdout: expect.stringMatching(/^unpacking \S+ \(\S+\)\.\.\.done\n$/),
  });
  await pair.step({ argv: ["images", "import", archive] });
  await pair.sameState(records.images, records.snapshots);
  await pair.sameContent();
});

test("images push --allow-non-distributable-blobs: layers that may not be distributed go only with it", async () => {
  const { pair, dir } = arena.now;
  const work = join(dir, "foreign");
  await mkdir(join(work, "root"), { recursive: true });
  await writeFile(join(work, "root/file"), "not for everybody\n");
  const layer = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
  const image = { os: "linux", architecture: "amd64", layers: [join(work, "root")], config: {} };
  const layout = await writeLayout(work, { ...mediaTypes.oci, layer }, [image]);
  // A registry takes a manifest whose layer it has not if the manifest says where that is.
  const plain = (await Bun.file(join(layout, "index.json")).json()).manifests[0];
  const manifest = JSON.parse(await readFile(join(layout, "blobs/sha256", plain.digest.slice(7)), "utf8"));
  manifest.layers[0].urls = ["https://example.com/layer"];
  const { mediaType, digest, size } = await writeBlob(layout, mediaTypes.oci.manifest, JSON.stringify(manifest));
  await writeFile(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] }),
  );
  const archive = join(work, "foreign.tar");
  await mustRun(["tar", "-C", layout, "-cf", archive, "blobs", "index.json", "oci-layout"]);
  await pair.prepare(["images", "import", "--no-unpack", "--digests", "--base-name", "foreign", archive]);
  const has = async (repository: string) => {
    const url = `http://${registry.host}/v2/${repository}/blobs/${manifest.layers[0].digest}`;
    return (await fetch(url, { method: "HEAD" })).ok;
  };
  for (const [name, flags, goes] of [
    ["kept", [], false],
    ["sent", ["--allow-non-distributable-blobs"], true],
  ] as const) {
    const to = `${registry.host}/$NS/${name}:1`;
    const argv = ["images", "push", "--plain-http", ...flags, to, `foreign@${digest}`];
    await pair.step({ argv, stdout: "failed" });
    expect([await has(`${ourNamespace}/${name}`), await has(`${goNamespace}/${name}`)]).toEqual([goes, goes]);
  }
});

test.each([
  [[]],
  [["--base-name", "docked/one"]],
  [["--base-name", "docked/two", "--digests"]],
  [["--base-name", "docked/three", "--digests", "--skip-digest-for-named"]],
  [["--index-name", "docked/index:1"]],
  [["--platform", "linux/amd64"]],
  [["--all-platforms"]],
  [["--no-unpack"]],
  [["--compress-blobs"]],
])("images import of a docker archive with %j, from a file and from stdin", async (words) => {
  const { pair, dir } = arena.now;
  const archive = join(dir, "docker.tar");
  await rm(archive, { force: true });
  const from = `oci:${(await busyboxLayout()).dir}:latest`;
  await mustRun(["skopeo", "copy", "--insecure-policy", from, `docker-archive:${archive}:local/docker:1`]);
  await pair.step({ argv: ["images", "import", ...words, archive] });
  await pair.step({ argv: ["images", "import", ...words, "-"], stdin: await readFile(archive) });
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

/** An image that nobody has pulled yet. */
async function freshLayout(): Promise<Layout> {
  const work = join(arena.now.dir, "fresh");
  await mkdir(join(work, "root"), { recursive: true });
  await writeFile(join(work, "root/file"), `${crypto.randomUUID()}\n`);
  const image = { os: "linux", architecture: "amd64", layers: [join(work, "root")], config: {} };
  const dir = await writeLayout(work, mediaTypes.oci, [image]);
  const { mediaType, digest, size } = (await Bun.file(join(dir, "index.json")).json()).manifests[0];
  return { dir, target: { mediaType, digest, size } };
}

/** Everything the image needs is on the registry, as another tool sees it. */
async function pullable(reference: string): Promise<void> {
  const target = `dir:${join(arena.now.dir, `copy-${crypto.randomUUID()}`)}`;
  await mustRun(["skopeo", "copy", "--src-tls-verify=false", "--override-arch=amd64", `docker://${reference}`, target]);
}

async function manifestOf(name: string): Promise<{ readonly media: string | null; readonly body: string }> {
  const [repository, tag] = name.split(":");
  const accept = [
    ...[mediaTypes.docker.index, mediaTypes.docker.manifest, mediaTypes.oci.index, mediaTypes.oci.manifest],
  ].join(", ");
  const response = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, { headers: { accept } });
  return { media: response.headers.get("content-type"), body: await response.text() };
}

/** docs/differences.md, export-index: as 2.4, ours says its media type and where each image came from. */
async function asOurIndex(index: Record<string, unknown>): Promise<Record<string, unknown>> {
  const labels = new Map(
    (await arena.now.pair.go(["content", "ls"], ourNamespace)).stdout.split("\n").map((row) => {
      const [digest = "", ...cells] = row.split(/\t+/);
      const pairs = (cells.at(-1) ?? "").split(",").map((label): [string, string] => {
        const at = label.indexOf("=");
        return [label.slice(0, at), label.slice(at + 1)];
      });
      return [digest, pairs.filter(([name]) => name.startsWith("containerd.io/distribution.source."))] as const;
    }),
  );
  const { manifests } = index as { manifests: { digest: string; annotations: Record<string, string> }[] };
  const entries = manifests.map((entry) => {
    const sources = labels.get(entry.digest) ?? [];
    expect(sources.length).toBeGreaterThan(0);
    return { ...entry, annotations: { ...entry.annotations, ...Object.fromEntries(sources) } };
  });
  return { ...index, mediaType: "application/vnd.oci.image.index.v1+json", manifests: entries };
}

/** Names, sizes, modes, owners and times of every member, but the size of index.json. */
async function members(archive: string): Promise<string> {
  const list = await mustRun(["tar", "--numeric-owner", "--full-time", "-tvf", archive]);
  return list.replace(/\d+ (?=\S+ \S+ index\.json)/, "<size> ");
}

/** The entries of `manifest.json`, by their config. */
async function dockerList(archive: string): Promise<readonly { readonly Config: string }[]> {
  const list: { Config: string }[] = JSON.parse(await mustRun(["tar", "-xOf", archive, "manifest.json"]));
  return list.sort((a, b) => a.Config.localeCompare(b.Config));
}

async function member(archive: string, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await mustRun(["tar", "-xOf", archive, name]));
}
