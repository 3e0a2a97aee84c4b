import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow } from "../support/containerd.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

const image = "docker.io/library/busybox:latest";
const long = process.env["CTR_TEST_LONG"] === "1";
let dir: string;
let root: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-many-"));
  root = join(dir, "root");
  await mkdir(join(dir, "fifos"));
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await ctr("images", "import", "--base-name", "docker.io/library/busybox", archive);
});
afterAll(async () => {
  await forgetStore(root);
  await rm(dir, { recursive: true, force: true });
});

function ctr(...words: readonly string[]): Promise<string> {
  return mustRun([ourCtr, "--address", `embedded://${root}`, ...words], { timeoutMs: 120_000 });
}

/** Does `work` for every number below `count`, eight at a time. */
async function eightAtATime(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** What containers leave when they are not removed entirely: rows, directories, mounts, FIFOs and shims. */
async function leftovers(): Promise<Readonly<Record<string, unknown>>> {
  const state = stateOf(root);
  using db = new Database(join(root, "meta.db"), { readonly: true });
  const count = (sql: string) => Object.values(db.query(sql).get() ?? {})[0];
  const shims = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map((pid) => commandOf(pid));
  return {
    containers: count("SELECT count(*) FROM containers"),
    tasks: count("SELECT count(*) FROM tasks"),
    snapshots: count("SELECT count(*) FROM snapshots WHERE kind != 'committed'"),
    leases: count("SELECT count(*) FROM leases"),
    directories: (await readdir(join(root, "io.containerd.snapshotter.v1.overlayfs/snapshots"))).length,
    bundles: await readdir(join(state, "bundles")).catch(() => []),
    runc: (await readdir(join(state, "runc", "default")).catch(() => [])).length,
    trash: await readdir(join(root, "trash")),
    mounts: [...(await mountsBelow(state)), ...(await mountsBelow(root))],
    fifos: await readdir(join(dir, "fifos")),
    shims: (await Promise.all(shims)).filter((command) => command.includes(state)),
  };
}

async function commandOf(pid: string): Promise<string> {
  // A process may end between the two reads.
  return (
    await Bun.file(`/proc/${pid}/cmdline`)
      .text()
      .catch(() => "")
  ).replaceAll("\0", " ");
}

const nothing = {
  containers: 0,
  tasks: 0,
  snapshots: 0,
  leases: 0,
  directories: 1,
  bundles: [],
  runc: 0,
  trash: [],
  mounts: [],
  fifos: [],
  shims: [],
};

test("50 containers run at once, started by eight commands at a time, and leave nothing", async () => {
  const id = (n: number) => `many-${n}`;
  const run = (n: number) => ctr("run", "-d", "--null-io", image, id(n), "sleep", "1000");
  await eightAtATime(50, run);
  const table = await ctr("tasks", "ls");
  expect(table.match(/ RUNNING/g)).toHaveLength(50);
  await eightAtATime(50, async (n) => {
    await ctr("tasks", "rm", "--force", id(n));
    await ctr("containers", "rm", id(n));
  });
  expect(await leftovers()).toEqual(nothing);
}, 300_000);

test(`S4: ${long ? 1000 : 50} times run --rm in a row leave nothing`, async () => {
  for (let n = 0; n < (long ? 1000 : 50); n++) {
    const out = await ctr("run", "--rm", "--fifo-dir", join(dir, "fifos"), image, `rm-${n}`, "echo", `${n}`);
    expect(out).toBe(`${n}\n`);
  }
  expect(await leftovers()).toEqual(nothing);
}, 900_000);
