import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, mkdtemp, open, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow, unmountBelow } from "../support/containerd.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { checkStore } from "../support/store-check.ts";

/** A store on a file system of 24 MB of its own. */
async function openSmallDisk() {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "ctr-full-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const [file, disk] = [join(dir, "disk.img"), join(dir, "disk")];
  const root = join(disk, "root");
  await mkdir(disk);
  await mustRun(["truncate", "-s", "24M", file]);
  // Nothing is kept for root, who would not notice the end otherwise.
  // In blocks of a page, as larger ones are: SQLite makes room for its index page by page, and in a page of four blocks only
  // for the last.
  await mustRun(["mkfs.ext4", "-q", "-m", "0", "-b", "4096", file]);
  await mustRun(["mount", "-o", "loop", file, disk]);
  stack.defer(() => unmountBelow(dir));
  const ctr = (...words: readonly string[]) => run([ourCtr, "--address", `embedded://${root}`, ...words]);
  expect(await ctr("namespaces", "ls")).toMatchObject({ code: 0 });
  stack.defer(() => forgetStore(root));
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const filler = join(disk, "filler");
  return {
    ...{ root, ctr, archive, stack: stack.move() },
    /** Fills the disk but for `left` bytes. */
    async fill(left: number) {
      const { bavail, bsize } = await statfs(disk);
      await using file = await open(filler, "w");
      await writeAll(file, Buffer.alloc(Math.max(0, bavail * bsize - left)));
      // The file system needs some for itself, and says no before it has given out what it said it had.
      if (left === 0) while (await writeAll(file, Buffer.alloc(1024)));
    },
    empty: () => rm(filler),
  };
}

/** False when there was not room for all of it. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<boolean> {
  try {
    await file.writeFile(bytes);
    await file.sync();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}

test.each([[300_000], [1_200_000]])(
  "an import with %d bytes of room says that the disk is full, and once there is room the repeat succeeds",
  async (left) => {
    const { root, ctr, archive, fill, empty, stack } = await openSmallDisk();
    await using _stack = stack;
    const words = ["images", "import", "--base-name", "full.test/busybox", archive];
    await fill(left);
    const full = await ctr(...words);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/no space left on device|disk is full/i);
    expect(checkStore(root).problems).toEqual([]);
    await empty();
    expect(await ctr(...words)).toMatchObject({ code: 0 });
    expect(await ctr("content", "verify")).toMatchObject({ code: 0 });
    expect(await ctr("run", "--rm", "full.test/busybox:latest", "once", "true")).toMatchObject({ code: 0 });
    expect(checkStore(root).problems).toEqual([]);
    using db = new Database(join(root, "meta.db"), { readonly: true });
    expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  },
);

const image = "full.test/busybox:latest";

interface Scenario {
  readonly name: string;
  /** Bytes that are left when it begins. */
  readonly left: number;
  prepare(disk: SmallDisk): Promise<readonly string[]>;
}

type SmallDisk = Awaited<ReturnType<typeof openSmallDisk>>;

async function importImage({ ctr, archive }: SmallDisk): Promise<void> {
  expect(await ctr("images", "import", "--base-name", "full.test/busybox", archive)).toMatchObject({ code: 0 });
}

/** An active snapshot with a megabyte that compresses to no less. */
async function fillSnapshot(disk: SmallDisk): Promise<void> {
  await importImage(disk);
  const [parent = ""] = (await disk.ctr("snapshots", "ls")).stdout.split("\n")[1]?.split(/\s/) ?? [];
  expect(await disk.ctr("snapshots", "prepare", "work", parent)).toMatchObject({ code: 0 });
  const { stdout } = await disk.ctr("snapshots", "mounts", "/target", "work");
  const upper = /upperdir=([^,\s]+)/.exec(stdout)?.[1] ?? "";
  await writeFile(join(upper, "random"), randomBytes(1_000_000));
}

const scenarios: readonly Scenario[] = [
  ...[300_000, 1_200_000].map((left) => ({
    name: `images pull with ${left} bytes of room`,
    left,
    async prepare({ stack }: SmallDisk) {
      const registry = stack.use(await startRegistry());
      await pushLayout(registry.host, "full/busybox", "latest", await busyboxLayout());
      return ["images", "pull", "--plain-http", `${registry.host}/full/busybox:latest`];
    },
  })),
  {
    name: "run",
    left: 0,
    async prepare(disk) {
      await importImage(disk);
      return ["run", "--rm", image, "c1", "true"];
    },
  },
  {
    name: "snapshots commit",
    left: 0,
    async prepare(disk) {
      await fillSnapshot(disk);
      return ["snapshots", "commit", "kept", "work"];
    },
  },
  {
    name: "snapshots diff",
    left: 500_000,
    async prepare(disk) {
      await fillSnapshot(disk);
      return ["snapshots", "diff", "work"];
    },
  },
  {
    name: "tasks exec",
    left: 0,
    async prepare(disk) {
      await importImage(disk);
      expect(await disk.ctr("run", "-d", image, "c1", "sleep", "1000")).toMatchObject({ code: 0 });
      return ["tasks", "exec", "--exec-id", "e1", "c1", "true"];
    },
  },
];

test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
  "C4: %s on a full disk says so in one line, leaves nothing, and works once there is room",
  async (_name, scenario) => {
    const disk = await openSmallDisk();
    await using _stack = disk.stack;
    const words = await scenario.prepare(disk);
    const before = await everything(disk);
    await disk.fill(scenario.left);
    const full = await disk.ctr(...words);
    expectOneLine(full);
    expect(await everything(disk)).toEqual(before);
    expect(checkStore(disk.root).problems).toEqual([]);
    await disk.empty();
    expect(await disk.ctr(...words)).toMatchObject({ code: 0 });
    expect(keysIn((await disk.ctr("snapshots", "ls")).stdout).filter((key) => key.startsWith("extract-"))).toEqual([]);
    expect(await disk.ctr("content", "verify")).toMatchObject({ code: 0 });
    expect(checkStore(disk.root)).toMatchObject({ problems: [], garbage: [] });
  },
);

function expectOneLine({ code, stderr }: Outcome): void {
  expect(code).toBe(1);
  const [said = "", ...more] = stderr
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("ctr: "));
  expect(said).toMatch(/no space left on device|disk is full/i);
  expect(more).toEqual([]);
}

/**
 * Keys, but for extractions: with what was fetched still on the disk, there may be no room to delete a row either. It goes
 * with the collection of the next command that has some.
 */
function snapshotsIn(table: string): readonly string[] {
  return keysIn(table).filter((key) => !key.startsWith("extract-"));
}

function keysIn(table: string): readonly string[] {
  const lines = table.split("\n").slice(1);
  return lines.map((line) => line.split(/\s/, 1)[0] ?? "").filter((key) => key !== "");
}

/** What there is by name, and what runs or is mounted. */
async function everything({ root, ctr }: SmallDisk) {
  const list = async (...words: readonly string[]) => (await ctr(...words)).stdout;
  return {
    images: await list("images", "ls", "-q"),
    containers: await list("containers", "ls", "-q"),
    snapshots: snapshotsIn(await list("snapshots", "ls")),
    tasks: await list("tasks", "ls"),
    // What was fetched of a layer stays for the pull that goes on with it.
    ingests: (await list("content", "active")).split("\n").filter((line) => !/^(REF|layer-)/.test(line)),
    mounts: (await mountsBelow(stateOf(root))).length,
    bundles: await readdir(join(stateOf(root), "bundles"), { recursive: true }).catch(() => []),
  };
}
