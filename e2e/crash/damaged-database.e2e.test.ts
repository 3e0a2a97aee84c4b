import { Database } from "bun:sqlite";
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
  await full.must(["images", "import", "--snapshotter", "native", image.archive]);
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

test("C7: containers that run can be seen, stopped and removed after a repair of a database that was lost altogether", async () => {
  await using store = await openCrashStore(full.root);
  const path = join(store.root, "meta.db");
  await store.must(["run", "-d", image.imported, "c1", "sleep", "1000"]);
  await store.must(["run", "-d", "--snapshotter", "native", image.imported, "c2", "sleep", "1000"]);
  const pages = await pagesOf(path);
  for (let page = 0; page < pages; page++) await spoil(path, page);
  const repaired = await store.ctr(["content", "verify", "--repair"]);
  expect(repaired).toMatchObject({ code: 0, stderr: "" });
  // One of overlayfs with three layers below, one of native, which is whole by itself. What nothing runs on is lost.
  expect(repaired.stdout).toContain("2 tasks, 2 containers and 5 snapshots;");
  expect(repaired.stdout).toMatch(/^6 snapshots are lost; their images are unpacked anew/m);
  expect(store.problems()).toEqual([]);
  expect((await store.ctr(["containers", "ls"])).stdout).toMatch(/^c1 .*io\.containerd\.runc\.v2/m);
  for (const id of ["c1", "c2"]) {
    expect((await store.ctr(["tasks", "ls"])).stdout).toMatch(new RegExp(`^${id}\\s+\\d+\\s+RUNNING`, "m"));
    // A collection has been: what it stands on is still there.
    const words = ["tasks", "exec", "--exec-id", "e1", id, "cat", "/etc/layer-0"];
    expect((await store.ctr(words)).stdout).toStartWith("0\n0\n");
    await store.must(["tasks", "kill", "-s", "KILL", id]);
    await store.must(["tasks", "rm", "--force", id]);
    await store.must(["containers", "rm", id]);
  }
  await store.must(["images", "import", image.archive]);
  await store.must(["run", "--rm", image.imported, "c1", "true"]);
  expect(await store.leftovers()).toEqual([]);
}, 60_000);

const repairSteps = ["repair.salvaged", "repair.readopted", "repair.aside", "repair.marked", "repair.swapped"];

test.each(repairSteps)(
  "C3, C7: a repair killed at %s is done again, and finds all that the first would have",
  async (step) => {
    await using store = await openCrashStore(full.root);
    const path = join(store.root, "meta.db");
    // Its row is in the log alone.
    const tag = ["images", "tag", image.imported, "crash.test/last:1"];
    expect((await store.ctr(tag, { CTR_FAILPOINT: "database.committed:kill:2" })).code).toBe(137);
    await spoil(path, await pageOf(path, "blobs"));
    const repair = ["content", "verify", "--repair"];
    expect((await store.ctr(repair, { CTR_FAILPOINT: `${step}:kill` })).code).toBe(137);
    // Nobody takes the one without its log, or the other with it, for the database.
    if (/marked|swapped/.test(step))
      expect((await store.ctr(["images", "ls"])).stderr).toContain("a repair was cut off");
    expect((await store.ctr(["content", "verify"])).stderr).toContain("--repair");
    expect(await store.ctr(repair)).toMatchObject({ code: 0, stderr: "" });
    expect(await store.ctr(["content", "verify"])).toMatchObject({ code: 0 });
    expect(store.problems()).toEqual([]);
    const names = (await store.ctr(["images", "ls", "-q"])).stdout;
    expect(names).toContain("crash.test/last:1");
    expect(names).toContain(image.imported);
    const left = (await readdir(store.root)).filter((name) => /mark|repair|-wal$/.test(name));
    expect(left).toEqual([expect.stringMatching(/^meta\.db\.damaged-.*-wal$/)]);
    await store.must(["run", "--rm", image.imported, "after", "true"]);
  },
  60_000,
);

/** The page that a table's rows begin on, counted from 0. */
async function pageOf(path: string, table: string): Promise<number> {
  const copy = join(image.dir, "pages.db");
  await copyFile(path, copy);
  using db = new Database(copy);
  const row = db.query("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(table);
  if (row === null || typeof row !== "object" || !("rootpage" in row)) throw new Error(`${table} has no page`);
  return Number(row.rootpage) - 1;
}
