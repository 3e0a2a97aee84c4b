import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout, nginxLayout } from "../support/images.ts";
import { mustRun, type Outcome, type RunOptions, run } from "../support/process.ts";

/** Archives in every form, on every place where they are read and written, and with every flag: what comes of it is one. */
let work = "";
let daemon: PrivateContainerd;
let turn = 0;

const kinds = ["oci", "docker"] as const;
const packings = ["plain", "gzip", "zstd"] as const;
/** Who does the work: this program on a containerd, and on the embedded engine the transfer service or this program. */
const places = ["containerd", "transfer", "local"] as const;
type Place = (typeof places)[number];

const fileOf = (kind: string, packing: string) => join(work, `${kind}.${packing}.tar`);

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "ctr-e2e-archives-"));
  daemon = await startContainerd();
  await archiveOf(await busyboxLayout(), fileOf("oci", "plain"));
  await archiveOf(await nginxLayout(), fileOf("many", "plain"));
  const from = `oci-archive:${fileOf("oci", "plain")}`;
  const to = `docker-archive:${fileOf("docker", "plain")}:docker.io/local/web:1`;
  await mustRun(["skopeo", "copy", "--insecure-policy", from, to]);
  for (const kind of [...kinds, "many"]) {
    const bytes = await readFile(fileOf(kind, "plain"));
    await writeFile(fileOf(kind, "gzip"), Bun.gzipSync(new Uint8Array(bytes), { level: 1 }));
    await writeFile(fileOf(kind, "zstd"), Bun.zstdCompressSync(bytes, { level: 1 }));
  }
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await forgetStore(join(work, "store"));
  await rm(work, { recursive: true, force: true });
});

interface Tool {
  command(words: readonly string[]): readonly string[];
  ctr(words: readonly string[], options?: RunOptions): Promise<Outcome>;
  ok(words: readonly string[], options?: RunOptions): Promise<string>;
}

/** Commands of one place, in a namespace where nothing is yet. */
function toolFor(place: Place): Tool {
  const address = place === "containerd" ? daemon.address : `embedded://${join(work, "store")}`;
  const namespace = `archives-${turn++}`;
  const asked = (words: readonly string[]) => {
    const [group = "", word = "", ...rest] = words;
    const moves = group === "images" && (word === "import" || word === "export");
    return place === "local" && moves ? [group, word, "--local", ...rest] : words;
  };
  const command = (words: readonly string[]) => [ourCtr, "-a", address, "-n", namespace, ...asked(words)];
  const ctr = (words: readonly string[], options: RunOptions = {}) => run(command(words), options);
  return {
    command,
    ctr,
    async ok(words, options) {
      const { code, stdout, stderr } = await ctr(words, options);
      expect({ place, words, code, stderr }).toEqual({ place, words, code: 0, stderr: "" });
      return stdout;
    },
  };
}

/** Name, digest and platforms of each image, without sizes, which are columns of their own width. */
async function imagesOf({ ok }: Tool): Promise<readonly string[]> {
  const rows = (await ok(["images", "ls"])).split("\n").slice(1).filter(Boolean);
  return rows
    .map((row) => row.trim().split(/ +/))
    .map((cells) => [cells[0], cells[2], cells[5]].join(" "))
    .sort();
}

async function snapshotsOf({ ok }: Tool): Promise<number> {
  return (await ok(["snapshots", "ls"])).split("\n").filter(Boolean).length - 1;
}

const forms = kinds.flatMap((kind) =>
  packings.flatMap((packing) => places.map((place) => [kind, packing, place] as const)),
);

test.each(forms)(
  "images import of a %s archive, %s, by %s: from a file and from stdin alike",
  async (kind, packing, place) => {
    const [fromFile, fromStdin, plain] = [toolFor(place), toolFor(place), toolFor(place)];
    await fromFile.ok(["images", "import", "--base-name", "docker.io/local/web", fileOf(kind, packing)]);
    const stdin = await readFile(fileOf(kind, packing));
    await fromStdin.ok(["images", "import", "--base-name", "docker.io/local/web", "-"], { stdin });
    await plain.ok(["images", "import", "--base-name", "docker.io/local/web", fileOf(kind, "plain")]);
    const wanted = await imagesOf(plain);
    expect(wanted).toHaveLength(1);
    expect(await imagesOf(fromFile)).toEqual(wanted);
    expect(await imagesOf(fromStdin)).toEqual(wanted);
    expect(await snapshotsOf(fromStdin)).toBe(await snapshotsOf(fromFile));
    expect(await fromStdin.ok(["images", "check"])).toMatch(/ complete \(.* true *$/m);
  },
);

/** Flags, and how many names come of them. */
const flags: readonly (readonly [readonly string[], number])[] = [
  [[], 1],
  [["--base-name", "docker.io/local/web"], 1],
  [["--base-name", "docker.io/local/web", "--digests"], 2],
  [["--base-name", "docker.io/local/web", "--digests", "--skip-digest-for-named"], 1],
  [["--base-name", "docker.io/local/web", "--platform", "linux/amd64"], 1],
  [["--base-name", "docker.io/local/web", "--all-platforms"], 1],
  [["--base-name", "docker.io/local/web", "--no-unpack"], 1],
  [["--base-name", "docker.io/local/web", "--snapshotter", "native"], 1],
  [["--base-name", "docker.io/local/web", "--label", "a=b"], 1],
  [["--base-name", "docker.io/local/web", "--compress-blobs"], 1],
];

test.each(kinds.flatMap((kind) => flags.map(([words, names]) => [kind, words, names] as const)))(
  "images import of a %s archive with %j: the same images wherever it is done",
  async (kind, words, names) => {
    const states = [];
    for (const place of places) {
      const tool = toolFor(place);
      await tool.ok(["images", "import", ...words, fileOf(kind, "gzip")]);
      const labels = (await tool.ok(["images", "ls", "labels.a==b"])).split("\n").filter(Boolean).length - 1;
      const native =
        (await tool.ok(["snapshots", "--snapshotter", "native", "ls"])).split("\n").filter(Boolean).length - 1;
      states.push({ images: await imagesOf(tool), snapshots: await snapshotsOf(tool), native, labels });
    }
    const [first] = states;
    expect(first?.images).toHaveLength(names);
    for (const state of states) expect(state).toEqual(first ?? state);
    expect((first?.snapshots ?? 0) > 0).toBe(!words.includes("--no-unpack") && !words.includes("native"));
    expect((first?.native ?? 0) > 0).toBe(words.includes("native"));
    expect(first?.labels).toBe(words.includes("--label") ? 1 : 0);
  },
);

test.each(places)(
  "images import --index-name and --all-platforms by %s: every manifest, under one name",
  async (place) => {
    const tool = toolFor(place);
    const words = [
      "--index-name",
      "docker.io/local/all:1",
      "--base-name",
      "docker.io/local/web",
      "--all-platforms",
      "--no-unpack",
    ];
    await tool.ok(["images", "import", ...words, "-"], { stdin: await readFile(fileOf("many", "zstd")) });
    const images = await imagesOf(tool);
    expect(images.map((row) => row.split(" ")[0])).toContain("docker.io/local/all:1");
    expect(images.join("\n")).toContain("linux/arm64/v8");
    const one = toolFor(place);
    await one.ok(["images", "import", "--base-name", "docker.io/local/web", "--no-unpack", fileOf("many", "zstd")]);
    const count = async ({ ok }: Tool) => (await ok(["content", "ls", "-q"])).split("\n").filter(Boolean).length;
    expect(await count(tool)).toBeGreaterThanOrEqual(await count(one));
  },
);

test.each(["containerd", "local"] as const)(
  "images import --discard-unpacked-layers by %s, from a compressed archive on stdin",
  async (place) => {
    const tool = toolFor(place);
    const words = ["images", "import", "--discard-unpacked-layers", "--base-name", "docker.io/local/web", "-"];
    await tool.ok(words, { stdin: await readFile(fileOf("docker", "zstd")) });
    await tool.ok(["leases", "create", "--id", "collect"]);
    await tool.ok(["leases", "rm", "--sync", "collect"]);
    expect(await tool.ok(["images", "check"])).toMatch(/ incomplete \(1\/\d+\) .* true *$/m);
  },
);

test.each([
  [[]],
  [["--platform", "linux/amd64"]],
  [["--platform", "linux/amd64", "--platform", "linux/arm64"]],
  [["--all-platforms"]],
  [["--skip-manifest-json"]],
  [["--all-platforms", "--skip-manifest-json"]],
])("images export %j: the same bytes wherever it is done, to a file and to stdout", async (words) => {
  const digests = new Set<string>();
  for (const place of places) {
    const tool = toolFor(place);
    await tool.ok([
      "images",
      "import",
      "--base-name",
      "docker.io/local/web",
      "--all-platforms",
      "--no-unpack",
      fileOf("many", "plain"),
    ]);
    const name = (await tool.ok(["images", "ls", "-q"])).trim();
    const file = join(work, `export-${turn}.tar`);
    expect(await tool.ok(["images", "export", ...words, file, name])).toBe("");
    const piped = join(work, `export-${turn}-piped.tar`);
    const child = Bun.spawn([...tool.command(["images", "export", ...words, "-", name])], { stdout: Bun.file(piped) });
    expect(await child.exited).toBe(0);
    const [first, second] = [await sum(file), await sum(piped)];
    expect(second).toBe(first);
    digests.add(first);
  }
  expect([...digests]).toHaveLength(1);
});

async function sum(file: string): Promise<string> {
  return new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("hex");
}

test.each(places)(
  "images export | images import by %s: through a pipe, the image comes round and runs",
  async (place) => {
    const [from, to] = [toolFor(place), toolFor(place)];
    await from.ok(["images", "import", "--base-name", "docker.io/local/web", fileOf("docker", "gzip")]);
    const name = (await from.ok(["images", "ls", "-q"])).trim();
    const reader = to.command(["images", "import", "-"]);
    const words = [...from.command(["images", "export", "-", name]), "|", ...reader];
    await mustRun(["bash", "-o", "pipefail", "-c", words.join(" ")]);
    expect(await imagesOf(to)).toEqual(await imagesOf(from));
    const ran = await to.ctr(["run", "--rm", name, `piped-${turn}`, "sh", "-c", "echo hello"]);
    expect(ran).toMatchObject({ code: 0, stdout: "hello\n" });
  },
);

test("images import --base-name of another name: this program keeps a full name, the transfer service leaves it out", async () => {
  const imported = async (place: Place) => {
    const tool = toolFor(place);
    await tool.ok(["images", "import", "--base-name", "docker.io/other/name", fileOf("docker", "gzip")]);
    return (await tool.ok(["images", "ls", "-q"])).trim();
  };
  expect(await Promise.all(places.map(imported))).toEqual(["docker.io/local/web:1", "", "docker.io/local/web:1"]);
});
