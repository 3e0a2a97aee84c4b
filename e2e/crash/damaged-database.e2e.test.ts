import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFile, open, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkStore } from "../support/store-check.ts";
import { type CrashImage, type CrashStore, openCrashImage, openCrashStore } from "./crash-store.ts";

const PAGE = 4096;

let stacked: AsyncDisposableStack;
let image: CrashImage;
let full: CrashStore;

beforeAll(async () => {
  stacked = new AsyncDisposableStack();
  image = stacked.use(await openCrashImage());
  full = stacked.use(await openCrashStore());
  await full.must(["images", "import", image.archive]);
  await full.must(["-n", "other", "images", "import", image.archive]);
  // Enough rows for tables of more than one page.
  for (let tag = 0; tag < 40; tag++)
    await full.must(["images", "tag", image.imported, `crash.test/${"x".repeat(100)}:${tag}`]);
});
afterAll(() => stacked.disposeAsync());

/** Writes nonsense over one page, counted from 0. */
async function spoil(path: string, page: number, from = 0): Promise<void> {
  await using file = await open(path, "r+");
  const bytes = Buffer.alloc(PAGE - from, 0xa5);
  await file.write(bytes, 0, bytes.byteLength, page * PAGE + from);
}

async function pagesOf(path: string): Promise<number> {
  return (await stat(path)).size / PAGE;
}

async function blobsOf(store: CrashStore): Promise<readonly string[]> {
  return (await readdir(join(store.root, "io.containerd.content.v1.content/blobs/sha256"))).toSorted();
}

const damages: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ["a header of nonsense", (path) => spoil(path, 0)],
  ["the first b-tree page spoiled behind its header", (path) => spoil(path, 0, 100)],
  ["its last third cut off", async (path) => truncate(path, Math.floor(((await pagesOf(path)) * 2) / 3) * PAGE)],
  ["a file cut off in the middle of a page", async (path) => truncate(path, ((await pagesOf(path)) - 2) * PAGE + 1000)],
  ["a write-ahead log of nonsense", (path) => writeFile(`${path}-wal`, Buffer.alloc(40_000, 0xa5))],
  ["an empty page in place of its first", (path) => spoil(path, 0).then(() => truncate(path, PAGE))],
];

test.each(damages)(
  "C7: a database with %s is told of, and rebuilt to a store that works",
  async (_name, damage) => {
    await using store = await openCrashStore(full.root);
    await repairAfter(store, () => damage(join(store.root, "meta.db")));
  },
  120_000,
);

test("C7: a database with any one page spoiled is sound or told of, and rebuilt to a store that works", async () => {
  const pages = await pagesOf(join(full.root, "meta.db"));
  const step = process.env["CTR_TEST_LONG"] === "1" ? 1 : 5;
  for (let page = 1; page < pages; page += step) {
    await using store = await openCrashStore(full.root);
    await repairAfter(store, () => spoil(join(store.root, "meta.db"), page));
  }
}, 600_000);

/** Looks, repairs, and uses the store: no blob is lost, and an image is run, brought back if its row was lost. */
async function repairAfter(store: CrashStore, damage: () => Promise<void>): Promise<void> {
  const path = join(store.root, "meta.db");
  const blobs = await blobsOf(store);
  await damage();
  const damaged = await readFile(path);
  const seen = await store.ctr(["content", "verify"]);
  expect(await readFile(path)).toEqual(damaged);
  if (seen.code !== 0) {
    expect(seen.stdout).toContain(path);
    expect(seen.stderr).toContain("--repair");
    const repaired = await store.ctr(["content", "verify", "--repair"]);
    expect(repaired).toMatchObject({ code: 0, stderr: "" });
    expect(await asideOf(store)).toEqual(damaged);
  }
  expect(store.problems().filter((problem) => !problem.startsWith("image "))).toEqual([]);
  const names = (await store.ctr(["images", "ls", "-q"])).stdout;
  if (!names.includes(image.imported)) await store.must(["images", "import", image.archive]);
  await store.must(["run", "--rm", image.imported, "after", "true"]);
  expect(await blobsOf(store)).toEqual(expect.arrayContaining([...blobs]));
}

async function asideOf(store: CrashStore): Promise<Buffer> {
  const names = await readdir(store.root);
  const name = names.find((each) => each.startsWith("meta.db.damaged-") && !each.endsWith("-wal")) ?? "";
  return await readFile(join(store.root, name));
}

test("C7: a command on a damaged store fails with one line that names the file, and says what to do", async () => {
  await using store = await openCrashStore(full.root);
  const path = join(store.root, "meta.db");
  const good = join(image.dir, "good.db");
  await copyFile(path, good);
  await spoil(path, 0);
  const { code, stderr } = await store.ctr(["images", "ls"]);
  expect(code).toBe(1);
  expect(stderr.trimEnd().split("\n")).toHaveLength(2);
  expect(stderr).toContain(path);
  expect(stderr).toContain("ctr content verify --repair");
  await copyFile(good, path);
  expect(checkStore(store.root).problems).toEqual([]);
});

test("C7: a container that runs is still there after a repair of a database that was lost altogether", async () => {
  await using store = await openCrashStore(full.root);
  const path = join(store.root, "meta.db");
  await store.must(["run", "-d", image.imported, "c1", "sleep", "1000"]);
  const pages = await pagesOf(path);
  for (let page = 0; page < pages; page++) await spoil(path, page);
  expect(await store.ctr(["content", "verify", "--repair"])).toMatchObject({ code: 0 });
  expect((await store.ctr(["tasks", "ls"])).stdout).toMatch(/^c1\s+\d+\s+RUNNING/m);
  // Its record is lost; a new one by its name is a handle to it.
  await store.must(["images", "import", image.archive]);
  await store.must(["containers", "create", image.imported, "c1"]);
  await store.must(["tasks", "rm", "--force", "c1"]);
}, 60_000);
