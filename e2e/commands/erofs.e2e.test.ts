import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { mediaTypes, sha256, writeBlob, writeLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { sharedBench } from "./setup.ts";

/** Layers as EROFS images: Debian's mkfs.erofs 1.5 makes them, which reads no tars, and the kernel reads them. */
const bench = sharedBench("erofs");
const image = "docker.io/library/layered:1";
let work = "";
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "ctr-e2e-erofs-"));
  await bench.open();
  const layers = [
    "mkdir -p etc/old usr/bin var/lib && echo one >etc/one && echo two >etc/two && echo x >etc/old/x && chmod 4755 etc/one",
    "mkdir -p etc/old etc && touch etc/.wh.two etc/old/.wh..wh..opq && echo new >etc/old/new && ln -s ../etc/one etc/link && ln etc/old/new etc/hard",
    "mkdir -p usr/bin && seq 1 200000 >usr/bin/numbers",
    "mkdir -p etc && echo arm64 >etc/machine",
  ];
  const dirs = layers.map((make, at) => mustRun(["sh", "-c", `mkdir ${work}/${at} && cd ${work}/${at} && ${make}`]));
  await Promise.all(dirs);
  const platform = (architecture: string, used: readonly number[]) => ({
    os: "linux",
    architecture,
    layers: used.map((at) => join(work, String(at))),
    config: { Cmd: ["true"] },
  });
  const dir = await writeLayout(
    work,
    mediaTypes.docker,
    [platform("amd64", [0, 1, 2]), platform("arm64", [0, 3])],
    "1",
  );
  await mustRun(["tar", "-C", dir, "-cf", join(work, "image.tar"), "blobs", "index.json", "oci-layout"]);
  const words = ["images", "import", "--base-name", "docker.io/library/layered", "--all-platforms", "--no-unpack"];
  await mustRun(bench.now.command(...words, join(work, "image.tar")));
});
afterAll(async () => {
  await bench.close();
  await rm(work, { recursive: true, force: true });
});

interface Part {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform?: unknown;
}

async function json(digest: string): Promise<Record<string, unknown>> {
  return JSON.parse(await bench.now.line(["content", "get", digest]));
}

/** The first manifest of an index, with its layers in files and its configuration. */
async function fetched(index: string) {
  const { manifests } = (await json(index)) as { manifests: readonly Part[] };
  const { layers, config } = (await json(manifests[0]?.digest ?? "")) as { layers: readonly Part[]; config: Part };
  const files = layers.map(async ({ digest }) => {
    const file = join(work, digest.slice(7, 19));
    const get = Bun.spawn([...bench.now.command("content", "get", digest)], { stdout: Bun.file(file) });
    expect(await get.exited).toBe(0);
    return file;
  });
  return { manifests, layers, files: await Promise.all(files), config: await json(config.digest) };
}

/** Paths with what a tree is told apart by. */
async function treeOf(dir: string): Promise<string> {
  return await mustRun([
    "sh",
    "-c",
    `cd ${dir} && find . -printf '%y %m %U:%G %s %l %p\\n' -type f -exec sha256sum {} + | grep -v '^d .* [.]$' | sed 's/^\\(d [0-7]* [0-9:]*\\) [0-9]*/\\1/' | sort`,
  ]);
}

/** Mounts the layers one over the other, as a snapshotter does. */
async function withStack<T>(files: readonly string[], use: (dir: string) => Promise<T>): Promise<T> {
  const base = await mkdtemp(join(work, "stack-"));
  const dirs: string[] = [];
  try {
    for (const [at, file] of files.entries()) {
      const dir = join(base, String(at));
      await mkdir(dir);
      await mustRun(["mount", "-t", "erofs", "-o", "loop,ro", file, dir]);
      dirs.push(dir);
    }
    const merged = join(base, "merged");
    await mkdir(merged);
    await mustRun(["mount", "-t", "overlay", "overlay", "-o", `ro,lowerdir=${dirs.toReversed().join(":")}`, merged]);
    dirs.push(merged);
    return await use(merged);
  } finally {
    for (const dir of dirs.toReversed()) await mustRun(["umount", dir]);
  }
}

test("images convert --erofs raw: layers that the kernel mounts, and stacked they are the image", async () => {
  const { line } = bench.now;
  const index = (await line(["images", "convert", "--erofs", "raw", image, "docker.io/library/erofs:raw"])).trim();
  const { manifests, layers, files, config } = await fetched(index);
  expect(manifests.map(({ platform }) => platform)).toEqual([
    { architecture: "amd64", os: "linux", "os.features": ["erofs"] },
  ]);
  expect(layers.map(({ mediaType }) => mediaType)).toEqual(Array(3).fill("application/vnd.erofs.layer.v1"));
  expect(config).toMatchObject({ "os.features": ["erofs"], rootfs: { diff_ids: layers.map(({ digest }) => digest) } });
  const target = join(work, "rootfs");
  await mkdir(target);
  await line(["images", "mount", image, target]);
  const wanted = await treeOf(target);
  expect(wanted).toContain("./etc/old/new");
  expect(await withStack(files, treeOf)).toBe(wanted);
  await line(["images", "unmount", "--rm", target]);
  expect(await line(["snapshots", "ls"])).not.toContain("erofs-");
  expect(await line(["leases", "ls", "-q"])).toBe("");
  expect(await line(["content", "ls", `digest==${layers[0]?.digest}`])).toContain(
    `containerd.io/uncompressed=${layers[0]?.digest}`,
  );
});

test("images convert --erofs: a UUID of the diff ID alone, and the flags of mkfs.erofs", async () => {
  const { line } = bench.now;
  const convert = async (...flags: readonly string[]) => {
    const words = ["images", "convert", "--erofs", "raw", ...flags, image, "docker.io/library/erofs:flags"];
    return await fetched((await line(words)).trim());
  };
  const dump = async (file = "") => await mustRun(["dump.erofs", "-s", file]);
  const plain = await convert();
  const packed = await convert("--erofs-compressors", "lz4hc,9");
  const [before, after] = [await dump(plain.files[2]), await dump(packed.files[2])];
  const uuid = /UUID:\s+(\S+)/;
  expect(uuid.exec(after)?.[1]).toBe(uuid.exec(before)?.[1] ?? "none");
  expect((await stat(packed.files[2] ?? "")).size).toBeLessThan((await stat(plain.files[2] ?? "")).size);
  const owned = await convert("--erofs-mkfs-options", "--force-uid=7  --force-gid=8");
  expect(await withStack(owned.files, treeOf)).toContain("f 4755 7:8 4  ./etc/one\n");
});

test("images convert --erofs zstd: the same image, compressed, under the diff ID of what it decompresses to", async () => {
  const { line } = bench.now;
  const words = [
    "images",
    "convert",
    "--oci",
    "--erofs",
    "zstd",
    "--all-platforms",
    image,
    "docker.io/library/erofs:zstd",
  ];
  const { manifests, layers, files, config } = await fetched((await line(words)).trim());
  expect(manifests.map(({ mediaType }) => mediaType)).toEqual(Array(2).fill(mediaTypes.oci.manifest));
  const arm64 = (await json(manifests[1]?.digest ?? "")) as { layers: readonly Part[] };
  const types = [...layers, ...arm64.layers].map(({ mediaType }) => mediaType);
  expect(types).toEqual(Array(5).fill("application/vnd.erofs.layer.v1+zstd"));
  const plain = await Promise.all(files.map(async (file) => sha256(Bun.zstdDecompressSync(await readFile(file)))));
  expect(config).toMatchObject({ rootfs: { diff_ids: plain } });
});

test("images build-erofs-cache: files by diff ID, which the kernel mounts", async () => {
  const { line } = bench.now;
  const cache = join(work, "cache");
  expect(await line(["images", "build-erofs-cache", image, cache])).toBe(`${cache}\n`);
  const { manifests } = (await json(await digestOf(image))) as { manifests: readonly Part[] };
  const { config } = (await json(manifests[0]?.digest ?? "")) as { config: Part };
  const { rootfs } = (await json(config.digest)) as { rootfs: { diff_ids: readonly string[] } };
  const files = rootfs.diff_ids.map((id) => join(cache, "sha256", id.slice(7, 9), `${id.slice(7)}.erofs`));
  const found = (await readdir(cache, { recursive: true })).filter((name) => name.includes(".erofs"));
  expect(found.map((name) => join(cache, name)).sort()).toEqual([...files].sort());
  expect((await Promise.all(files.map((file) => stat(file)))).map(({ mode }) => mode & 0o777)).toEqual([
    0o644, 0o644, 0o644,
  ]);
  expect(await withStack(files, treeOf)).toContain(" ./etc/old/new\n");
  // Again, over what is there, and for another platform.
  await line(["images", "build-erofs-cache", "--platform", "linux/arm64", image, cache]);
  const other = join(work, "cache-arm64");
  await line(["images", "build-erofs-cache", "--platform", "linux/arm64", image, other]);
  const arm64 = (await readdir(other, { recursive: true })).filter((name) => name.endsWith(".erofs"));
  expect(arm64).toHaveLength(2);
  expect(arm64.filter((name) => found.includes(name))).toHaveLength(1);
});

async function digestOf(name: string): Promise<string> {
  return /sha256:[0-9a-f]{64}/.exec(await bench.now.line(["images", "ls", `name==${name}`]))?.[0] ?? "";
}

test("images build-erofs-cache --compressors and --mkfs-options reach mkfs.erofs", async () => {
  const { line } = bench.now;
  const cache = join(work, "cache-packed");
  await line([
    "images",
    "build-erofs-cache",
    "--compressors",
    "lz4",
    "--mkfs-options",
    "--force-uid=7 --force-gid=8",
    image,
    cache,
  ]);
  const sizes = async (dir: string) => {
    const names = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith(".erofs")).sort();
    return (await Promise.all(names.map((name) => stat(join(dir, name))))).map(({ size }) => size);
  };
  await line(["images", "build-erofs-cache", image, join(work, "cache-plain")]);
  expect(Math.max(...(await sizes(cache)))).toBeLessThan(Math.max(...(await sizes(join(work, "cache-plain")))));
  const names = (await readdir(cache, { recursive: true })).filter((each) => each.endsWith(".erofs"));
  const tree = await withStack(
    names.map((name) => join(cache, name)),
    treeOf,
  );
  expect(tree).toMatch(/ 7:8 /);
});

test("images build-erofs-cache --dmverity: a hash tree that cryptsetup finds sound, its root beside it", async () => {
  const { line } = bench.now;
  const cache = join(work, "cache-verity");
  await line(["images", "build-erofs-cache", "--dmverity", image, cache]);
  const names = (await readdir(cache, { recursive: true })).filter((name) => name.endsWith(".erofs"));
  expect(names).toHaveLength(3);
  for (const name of names) {
    const file = join(cache, name);
    const { roothash, hashoffset } = JSON.parse(await readFile(`${file}.dmverity`, "utf8"));
    await mustRun(["veritysetup", "verify", `--hash-offset=${hashoffset}`, file, file, roothash]);
    expect((await stat(`${file}.dmverity`)).mode & 0o777).toBe(0o644);
    const bytes = await readFile(file);
    bytes.writeUInt8(bytes.readUInt8(1500) ^ 1, 1500);
    await writeFile(`${file}.bad`, bytes);
    const checked = Bun.spawnSync([
      "veritysetup",
      "verify",
      `--hash-offset=${hashoffset}`,
      `${file}.bad`,
      `${file}.bad`,
      roothash,
    ]);
    expect(checked.exitCode).not.toBe(0);
  }
});

test("with an mkfs.erofs that reads tars, each layer's is handed to it as containerd does", async () => {
  const programs = join(work, "programs");
  await mkdir(programs);
  const script = `#!/bin/sh
case "$*" in --help) echo " --tar=X  generate a full or index-only image from a tarball"; exit ;; esac
echo "$@" >>${programs}/calls
for last; do :; done
exec cat >"$last"
`;
  await writeFile(join(programs, "mkfs.erofs"), script, { mode: 0o755 });
  const env = { PATH: `${programs}:${process.env["PATH"]}` };
  const words = [
    "images",
    "convert",
    "--erofs",
    "raw",
    "--erofs-compressors",
    "zstd",
    "--erofs-mkfs-options",
    "-Efragments,dedupe",
  ];
  const index = (await bench.now.line([...words, image, "docker.io/library/erofs:tar"], { env })).trim();
  // What the program made of a tar is the tar, so each layer is its old diff ID.
  const { layers, config } = await fetched(index);
  const tars = await Promise.all(
    [0, 1, 2].map((at) =>
      mustRun([
        "sh",
        "-c",
        `cd ${work}/${at} && tar --sort=name --mtime=@1600000000 --numeric-owner --owner=0 --group=0 -cf - . | sha256sum`,
      ]),
    ),
  );
  expect(layers.map(({ digest }) => digest)).toEqual(tars.map((sum) => `sha256:${sum.slice(0, 64)}`));
  expect(config).toMatchObject({ "os.features": ["erofs"] });
  const calls = (await readFile(join(programs, "calls"), "utf8")).split("\n").filter(Boolean);
  expect(calls).toHaveLength(3);
  for (const call of calls) {
    expect(call).toMatch(
      /^--tar=f --aufs --quiet -Enoinline_data -zzstd -C 65536 -Efragments,dedupe -U [0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12} \S+$/,
    );
  }
});

test("a layer that is not what the configuration says becomes no EROFS image", async () => {
  const { ctr, line } = bench.now;
  const env = { PATH: `${join(work, "programs")}:${process.env["PATH"]}` };
  const lying = join(work, "lying");
  await mustRun(["sh", "-c", `mkdir -p ${lying} && tar -C ${lying} -xf ${work}/image.tar`]);
  const { manifests } = (await json(await digestOf(image))) as { manifests: readonly Part[] };
  const manifest = (await json(manifests[1]?.digest ?? "")) as { layers: readonly Part[]; config: Part };
  const target = await writeBlob(
    lying,
    mediaTypes.docker.manifest,
    JSON.stringify({ ...manifest, layers: manifest.layers.toReversed() }),
  );
  await writeFile(join(lying, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [target] }));
  await mustRun(["tar", "-C", lying, "-cf", `${lying}.tar`, "blobs", "index.json", "oci-layout"]);
  await line([
    "images",
    "import",
    "--digests",
    "--base-name",
    "lying",
    "--all-platforms",
    "--no-unpack",
    `${lying}.tar`,
  ]);
  const cache = join(work, "cache-lying");
  const words = ["images", "build-erofs-cache", "--platform", "linux/arm64", `lying@${target.digest}`, cache];
  const { code, stderr } = await ctr(words, { env });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ctr: cannot convert layer: its diff ID is sha256:[0-9a-f]{64}, the image says sha256:/);
  expect(await readdir(cache)).toEqual([]);
});

test("images convert --erofs: an interrupt ends mkfs.erofs, too, and leaves nothing", async () => {
  const { command, line } = bench.now;
  const programs = join(work, "slow");
  await mkdir(programs);
  const script = `#!/bin/sh
case "$*" in --help) exit ;; esac
echo $$ >>${programs}/pids
exec sleep 1000
`;
  await writeFile(join(programs, "mkfs.erofs"), script, { mode: 0o755 });
  const env = { ...process.env, PATH: `${programs}:${process.env["PATH"]}`, TMPDIR: programs };
  const words = ["images", "convert", "--erofs", "raw", image, "docker.io/library/erofs:never"];
  const converting = Bun.spawn([...command(...words)], { env, stdout: "ignore", stderr: "ignore" });
  const pids = async () => (await readFile(join(programs, "pids"), "utf8").catch(() => "")).split("\n").filter(Boolean);
  while ((await pids()).length < 3) await line(["images", "ls", "-q"]);
  converting.kill("SIGINT");
  expect(await converting.exited).toBe(130);
  for (const pid of await pids()) expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH");
  expect((await readdir(programs)).sort()).toEqual(["mkfs.erofs", "pids"]);
  expect(await line(["images", "ls", "-q"])).not.toContain("never");
  expect(await line(["leases", "ls", "-q"])).toBe("");
});

test("erofs: what is wrong is told before anything is made", async () => {
  const { ctr, line } = bench.now;
  const without = { env: { PATH: "/nonexistent" } };
  const missing =
    'ctr: exec: "mkfs.erofs": executable file not found in $PATH\nhint: EROFS images are made by mkfs.erofs of the package erofs-utils (Debian: apt install erofs-utils)\n';
  // Debian's is in /usr/bin, which PATH does not name here.
  for (const words of [
    ["images", "convert", "--erofs", "raw", image, "x:1"],
    ["images", "build-erofs-cache", image, join(work, "no")],
  ]) {
    expect(await ctr(words, without)).toEqual({ code: 1, stdout: "", stderr: missing });
  }
  const told = async (...words: readonly string[]) => (await ctr(["images", ...words])).stderr.split("\n")[0];
  expect(await told("convert", "--erofs", "foo", image, "x:1")).toBe(
    'ctr: unsupported erofs format "foo", supported: raw, zstd',
  );
  expect(await told("convert", "--erofs", "", image, "x:1")).toBe(
    'ctr: unsupported erofs format "", supported: raw, zstd',
  );
  expect(await told("build-erofs-cache", image)).toBe("ctr: image ref and cache dir must be specified");
  expect(await told("build-erofs-cache", "nosuch", join(work, "no"))).toBe('ctr: image "nosuch": not found');
  expect(await told("build-erofs-cache", "--platform", "a/b/c/d", image, join(work, "no"))).toStartWith(
    'ctr: invalid platform "a/b/c/d": ',
  );
  expect(await told("convert", "--erofs", "raw", "--erofs-compressors", "nosuch", image, "x:1")).toContain(
    "erofs apply failed: ",
  );
  expect(await line(["images", "ls", "-q"])).not.toContain("x:1");
  expect(await readdir(work)).not.toContain("no");
  // Nothing is unpacked in a namespace of its own, so a layer that is missing is missed.
  const hollow = (...words: readonly string[]) =>
    run([ourCtr, "-a", bench.now.daemon.address, "-n", "hollow", ...words]);
  await hollow("images", "import", "--base-name", "docker.io/library/layered", "--no-unpack", join(work, "image.tar"));
  const { manifests } = (await json(await digestOf(image))) as { manifests: readonly Part[] };
  const { layers } = (await json(manifests[0]?.digest ?? "")) as { layers: readonly Part[] };
  await hollow("content", "rm", layers[2]?.digest ?? "");
  const { code, stderr } = await hollow("images", "build-erofs-cache", image, join(work, "hollow"));
  expect({ code, words: stderr.split(": ", 2).join(": ") }).toEqual({
    code: 1,
    words: `ctr: fetch the image content first, e.g. \`ctr content fetch ${image}\``,
  });
});
