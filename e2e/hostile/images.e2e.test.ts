import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGzip } from "node:zlib";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { startFaultyRegistry } from "../support/faulty-registry.ts";
import { busyboxLayout, mediaTypes, sha256, writeBlob, writeLayout } from "../support/images.ts";
import { peakOf } from "../support/memory.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";

/** Images that lie about paths, kinds and sizes, given to the executable on a store of its own. */
let dir: string;
let root: string;
/** What no image may reach. */
let outside: string;
/** A root filesystem to build images of. */
let tree: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-hostile-"));
  root = join(dir, "root");
  outside = join(dir, "outside");
  tree = join(dir, "tree");
  await mkdir(outside);
  await writeFile(join(outside, "passwd"), "outsider:x:4242:4242::/:/bin/sh\n");
  await writeFile(join(outside, "group"), "outsiders:x:4243:outsider\n");
  const busybox = await busyboxLayout();
  const { layers } = JSON.parse(await Bun.file(blob(busybox.dir, busybox.target.digest)).text());
  await mkdir(tree);
  await mustRun(["tar", "-C", tree, "-xzf", blob(busybox.dir, layers[0].digest)]);
});
afterAll(async () => {
  await forgetStore(root);
  await rm(dir, { recursive: true, force: true });
});

const blob = (layout: string, digest: string) => join(layout, "blobs/sha256", digest.slice("sha256:".length));
const ctr = (...words: readonly string[]): Promise<Outcome> => run([ourCtr, "-a", `embedded://${root}`, ...words]);

/** Every name below the outside directory, and what they hold. */
async function outsideNow(): Promise<readonly string[]> {
  const names = await readdir(outside, { recursive: true });
  return Promise.all(names.sort().map(async (name) => `${name}: ${await Bun.file(join(outside, name)).text()}`));
}

async function pack(layout: string, name: string): Promise<string> {
  const file = join(dir, `${name}.tar`);
  await mustRun(["tar", "-C", layout, "-cf", file, "."]);
  return file;
}

/** Imports an image with this tree and configuration as `local/<name>:latest`. */
async function importImage(name: string, layer: string, config: Readonly<Record<string, unknown>>): Promise<string> {
  const work = join(dir, `work-${name}`);
  await mkdir(work, { recursive: true });
  const layout = await writeLayout(work, mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [layer], config },
  ]);
  const imported = await ctr("images", "import", "--base-name", `local/${name}`, await pack(layout, name));
  expect({ name, ...imported }).toMatchObject({ code: 0, stderr: "" });
  return `local/${name}:latest`;
}

/** A copy of the tree with links in it. */
async function treeWith(name: string, links: Readonly<Record<string, string>>): Promise<string> {
  const copy = join(dir, `tree-${name}`);
  await mustRun(["cp", "-a", tree, copy]);
  for (const [path, target] of Object.entries(links)) {
    await rm(join(copy, path), { recursive: true, force: true });
    await symlink(target, join(copy, path));
  }
  return copy;
}

test.each([
  ["absolute links", (host: string) => ({ "etc/passwd": `${host}/passwd`, "etc/group": `${host}/group` })],
  [
    "links that climb",
    (host: string) => ({ "etc/passwd": `../../../../..${host}/passwd`, "etc/group": `../..${host}/group` }),
  ],
  ["an /etc that is a link", (host: string) => ({ etc: host })],
])("R9, R25: users are not looked up in the host's files through %s", async (what, links) => {
  const name = `users-${what.replaceAll(/\W/g, "-")}`;
  const image = await importImage(name.toLowerCase(), await treeWith(name, links(outside)), { Cmd: ["id"] });
  const before = await outsideNow();
  const byFlag = await ctr("run", "--rm", "--user", "outsider", image, name, "id");
  expect([byFlag.code, byFlag.stdout]).toEqual([1, ""]);
  expect(byFlag.stderr).toMatch(/no users found|no such file/);
  const byGroup = await ctr("run", "--rm", "--user", "0:outsiders", image, name, "id");
  expect([byGroup.code, byGroup.stdout]).toEqual([1, ""]);
  const byNumber = await ctr("run", "--rm", "--user", "4242", image, name, "id", "-G");
  expect(byNumber.stdout).not.toMatch(/4242 4243|4243/);
  expect(await outsideNow()).toEqual(before);
});

test("R9: volumes that an image declares neither read nor write a path of the host", async () => {
  const Volumes = { [`/../../../../../..${outside}`]: {}, "/../../etc": {}, [outside]: {} };
  const image = await importImage("volumes", tree, { Volumes });
  const before = await outsideNow();
  const { code, stdout } = await ctr(
    "run",
    "--rm",
    image,
    "volumes",
    "/bin/sh",
    "-c",
    `ls ${outside}; cat /etc/hostname`,
  );
  expect([code === 0, stdout]).toEqual([false, ""]);
  expect(await outsideNow()).toEqual(before);
});

test.each([
  ["an absolute link", (host: string) => host],
  ["a link that climbs", (host: string) => `../../../../../..${host}`],
])("R26: a working directory behind %s is made in the container only", async (what, target) => {
  const name = `cwd-${what.replaceAll(/\W/g, "-")}`;
  const layer = await treeWith(name, { wd: target(outside) });
  const image = await importImage(name, layer, { WorkingDir: "/wd/made/deeper" });
  const before = await outsideNow();
  // Whether runc makes it inside or refuses is its own affair.
  await ctr("run", "--rm", image, name, "/bin/sh", "-c", "touch here");
  expect(await outsideNow()).toEqual(before);
});

test("R20: an image may not start in a descriptor of its runtime", async () => {
  const image = await importImage("door", tree, { WorkingDir: "/proc/self/fd/7" });
  const { code, stderr } = await ctr("run", "--rm", image, "door", "/bin/true");
  expect([code, stderr]).toEqual([1, expect.stringContaining('invalid working directory "/proc/self/fd/7"')]);
});

test("R20: a process in a container has no descriptors but its own", async () => {
  const image = await importImage("descriptors", tree, {});
  const listed = await ctr("run", "--rm", image, "descriptors", "ls", "/proc/self/fd");
  // The fourth is the directory that is being listed.
  expect(listed).toEqual({ code: 0, stdout: "0\n1\n2\n3\n", stderr: "" });
});

test("R18: an image's labels do not become orders", async () => {
  const Labels = { "containerd.io/restart.loguri": "binary:///bin/sh", "io.containerd.x": "1", "org.example": "kept" };
  const image = await importImage("labels", tree, { Labels });
  expect((await ctr("containers", "create", image, "labels", "/bin/true")).stderr).toBe("");
  const { stdout } = await ctr("containers", "info", "labels");
  expect(JSON.parse(stdout).Labels).toEqual({
    "io.containerd.image.config.stop-signal": "SIGTERM",
    "org.example": "kept",
  });
  await ctr("containers", "rm", "labels");
});

/** One document that is a manifest and an index: which, the reader of its descriptor's type decides. */
async function confusedLayout(name: string, mediaType: string): Promise<string> {
  const layout = await writeLayout(await work(name), mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [tree], config: {} },
  ]);
  const index = JSON.parse(await Bun.file(join(layout, "index.json")).text());
  const manifest = JSON.parse(await Bun.file(blob(layout, index.manifests[0].digest)).text());
  const both = JSON.stringify({ schemaVersion: 2, ...manifest, mediaType: undefined, manifests: index.manifests });
  const target = await writeBlob(layout, mediaType, both);
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [target] }));
  return layout;
}

async function work(name: string): Promise<string> {
  const path = join(dir, `work-${name}`);
  await mkdir(path, { recursive: true });
  return path;
}

test.each([["index"], ["manifest"]] as const)(
  "R6: bytes that are manifest and index are not imported as %s",
  async (kind) => {
    const layout = await confusedLayout(`confused-${kind}`, mediaTypes.oci[kind]);
    const archive = await pack(layout, `confused-${kind}`);
    const { code, stderr } = await ctr("-n", `confused-${kind}`, "images", "import", archive);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/expected (manifest but found index|index but found manifest)/),
    ]);
    expect((await ctr("-n", `confused-${kind}`, "images", "ls", "-q")).stdout).toBe("");
  },
);

test.each([["index"], ["manifest"]] as const)(
  "R6: bytes that are manifest and index are not pulled as %s",
  async (kind) => {
    const layout = await confusedLayout(`served-${kind}`, mediaTypes.oci[kind]);
    const { manifests } = JSON.parse(await Bun.file(join(layout, "index.json")).text());
    await using registry = await startFaultyRegistry(async (_request, path) => {
      const [, , digest] = /\/(blobs|manifests)\/(sha256:\w+)$/.exec(path) ?? [];
      const file = Bun.file(
        blob(layout, path.includes("/manifests/1") ? manifests[0].digest : (digest ?? "sha256:none")),
      );
      const headers = {
        "content-type": path.includes("/manifests/") ? mediaTypes.oci[kind] : "application/octet-stream",
      };
      return (await file.exists()) ? new Response(await file.arrayBuffer(), { headers }) : undefined;
    });
    const { code, stderr } = await ctr("images", "pull", "--plain-http", `${registry.host}/confused/${kind}:1`);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/expected (manifest but found index|index but found manifest)/),
    ]);
    expect((await ctr("images", "ls", "-q")).stdout).not.toContain("confused/");
  },
);

test.each([
  ["a layer", (path: string) => ({ layers: [{ mediaType: mediaTypes.oci.layer, digest: path, size: 1 }] })],
  ["a config", (path: string) => ({ config: { mediaType: mediaTypes.oci.config, digest: path, size: 1 } })],
])("R24: a digest that is a path is refused, in %s", async (what, change) => {
  const layout = await writeLayout(await work(`digest-${what.at(-1)}`), mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [tree], config: {} },
  ]);
  const index = JSON.parse(await Bun.file(join(layout, "index.json")).text());
  const manifest = JSON.parse(await Bun.file(blob(layout, index.manifests[0].digest)).text());
  const evil = JSON.stringify({ ...manifest, ...change(`sha256:../../../../..${outside}/passwd`) });
  const target = await writeBlob(layout, mediaTypes.oci.manifest, evil);
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [target] }));
  const { code, stderr } = await ctr("-n", "digests", "images", "import", await pack(layout, `digest-${what.at(-1)}`));
  expect([code, stderr]).toEqual([1, expect.stringContaining("digest is wrong")]);
});

test.each([["get"], ["rm"], ["label"], ["verify"]])(
  "R24: `ctr content %s` takes no path for a digest",
  async (verb) => {
    const { code, stdout, stderr } = await ctr("content", verb, `sha256:../../../../..${outside}/passwd`, "a=b");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/digest/);
  },
);

test("R30: file names that annotations give are not written", async () => {
  const layout = await writeLayout(await work("titles"), mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [tree], config: {} },
  ]);
  const index = JSON.parse(await Bun.file(join(layout, "index.json")).text());
  const annotations = {
    "org.opencontainers.image.title": `../../../../../..${outside}/title`,
    "io.containerd.image.name": `../../../../../..${outside}/name`,
    "org.opencontainers.image.ref.name": `${outside}/ref`,
    "com.docker.compose.file": `${outside}/compose.yaml`,
  };
  const manifests = [{ ...index.manifests[0], annotations }];
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, annotations, manifests }));
  const before = [await outsideNow(), (await readdir(dir)).filter((name) => name !== "titles.tar")];
  const archive = await pack(layout, "titles");
  const imported = await ctr("-n", "titles", "images", "import", archive);
  const names = (await ctr("-n", "titles", "images", "ls", "-q")).stdout.trim().split("\n");
  for (const name of names) await ctr("-n", "titles", "images", "export", "/dev/null", name);
  expect(imported.stderr.split("\n").length).toBeLessThan(4);
  expect([await outsideNow(), (await readdir(dir)).filter((name) => name !== "titles.tar")]).toEqual(before);
});

test("R29: an export unpacks with tar inside its own directory only", async () => {
  const image = await importImage("export", tree, {});
  await ctr("images", "tag", image, "../../etc/passwd:1");
  const into = join(dir, "exported.tar");
  expect(await ctr("images", "export", "--skip-manifest-json", into, image)).toMatchObject({ code: 0 });
  const names = (await mustRun(["tar", "-tPf", into])).trim().split("\n");
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((name) => name.startsWith("/") || name.split("/").includes(".."))).toEqual([]);
});

/** 300 MB, which is what a pull of a gigabyte may take as well. */
const MAX_RSS = 300 * 1024 * 1024;

test.each([["oci-layout"], ["manifest.json"], ["index.json"]])(
  "R12: an archive whose %s is half a gigabyte, packed small, is refused in little memory",
  async (name) => {
    const archive = join(dir, `bomb-${name}.tar.gz`);
    await writeBomb(archive, name, 512 * 1024 * 1024);
    expect(Bun.file(archive).size).toBeLessThan(2 * 1024 * 1024);
    const child = Bun.spawn([ourCtr, "-a", `embedded://${root}`, "-n", "bombs", "images", "import", archive], {
      stderr: "pipe",
    });
    const [stderr, peak] = await Promise.all([new Response(child.stderr).text(), peakOf(child)]);
    expect([await child.exited, stderr]).toEqual([1, expect.stringMatching(/8388608/)]);
    expect(peak).toBeLessThan(MAX_RSS);
  },
);

/** A gzipped tar whose member `name` is a JSON object with so many blanks. */
async function writeBomb(file: string, name: string, size: number): Promise<void> {
  const gzip = createGzip();
  const done = Bun.write(file, new Response(gzip as unknown as ReadableStream));
  const put = (bytes: Uint8Array) => new Promise<void>((resolve) => gzip.write(bytes, () => resolve()));
  if (name === "index.json") {
    const layout = Buffer.from('{"imageLayoutVersion":"1.0.0"}');
    await put(
      Buffer.concat([tarHeader("oci-layout", layout.byteLength), layout, Buffer.alloc(512 - layout.byteLength)]),
    );
  }
  await put(tarHeader(name, size));
  const blanks = Buffer.alloc(1024 * 1024, " ");
  for (let at = 0; at < size; at += blanks.byteLength)
    await put(at === 0 ? Buffer.concat([Buffer.from("{"), blanks.subarray(1)]) : blanks);
  await put(Buffer.alloc(1024));
  gzip.end();
  await done;
}

function tarHeader(name: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("        0", 148);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

test("R12: a manifest of 64 MB is not fetched", async () => {
  const bytes = Buffer.alloc(64 * 1024 * 1024, " ");
  bytes[0] = 0x7b;
  await using registry = await startFaultyRegistry((_request, path) =>
    path.includes("/manifests/")
      ? new Response(bytes, {
          headers: { "content-type": mediaTypes.oci.manifest, "docker-content-digest": sha256(bytes) },
        })
      : undefined,
  );
  const argv = [ourCtr, "-a", `embedded://${root}`, "images", "pull", "--plain-http", `${registry.host}/endless:1`];
  const child = Bun.spawn(argv, { stderr: "pipe", stdout: "ignore" });
  const [stderr, peak] = await Promise.all([new Response(child.stderr).text(), peakOf(child)]);
  expect([await child.exited, stderr]).toEqual([1, expect.stringMatching(/rejecting 67108864 byte manifest/)]);
  expect(peak).toBeLessThan(MAX_RSS);
});

test("R28: a layer over another base is another snapshot, with what that base has", async () => {
  const top = join(dir, "same-top");
  await mkdir(top);
  await writeFile(join(top, "top"), "same\n");
  for (const name of ["a", "b"]) {
    const base = await treeWith(`chain-${name}`, {});
    await writeFile(join(base, "base"), `${name}\n`);
    const work = join(dir, `work-chain-${name}`);
    await mkdir(work);
    const layout = await writeLayout(work, mediaTypes.oci, [
      { os: "linux", architecture: "amd64", layers: [base, top], config: {} },
    ]);
    const archive = await pack(layout, `chain-${name}`);
    expect(await ctr("images", "import", "--base-name", `local/chain-${name}`, archive)).toMatchObject({ code: 0 });
    const cat = ["run", "--rm", `local/chain-${name}:latest`, `chain-${name}`, "cat", "/base", "/top"];
    expect(await ctr(...cat)).toMatchObject({ code: 0, stdout: `${name}\nsame\n` });
  }
});
