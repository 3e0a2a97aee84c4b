import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow } from "../support/containerd.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { run } from "../support/process.ts";

/** Shims and the commands that come and go beside them, on the shipped binary without a server. */
const image = "docker.io/library/busybox:latest";
let dir: string;
let root: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-shims-"));
  root = join(dir, "root");
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await must("images", "import", "--base-name", "docker.io/library/busybox", archive);
});
afterAll(async () => {
  await forgetStore(root);
  await rm(dir, { recursive: true, force: true });
});

const argv = (words: readonly string[]) => [ourCtr, "--address", `embedded://${root}`, ...words];
const ctr = (...words: readonly string[]) => run(argv(words));

async function must(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await ctr(...words);
  if (code !== 0) throw new Error(`ctr ${words.join(" ")}: exit ${code}: ${stderr}`);
  return stdout;
}

const start = (id: string) => must("run", "-d", "--null-io", image, id, "sleep", "1000");

async function row(id: string): Promise<{ readonly pid: number; readonly status: string } | undefined> {
  const found = new RegExp(`^${id}\\s+(\\d+)\\s+(\\S+)`, "m").exec(await must("tasks", "ls"));
  return found ? { pid: Number(found[1]), status: found[2] ?? "" } : undefined;
}

/** Processes whose command line names this store and the task. */
function shimsOf(id: string): readonly number[] {
  const address = join(stateOf(root), "engine.sock");
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    const words = read(`/proc/${pid}/cmdline`).split("\0");
    return words.includes(address) && words.includes(id);
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The process ended, perhaps while its file was read.
    return "";
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

const hasEnded = (pid: number) => !/^State:\s+[^ZX]/m.test(read(`/proc/${pid}/status`));

const threads = (pid: number) => readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}/status`);

function exits(id: string): number {
  using db = new Database(join(root, "meta.db"), { readonly: true });
  const rows = db.query("SELECT value FROM events WHERE topic = '/tasks/exit'").values();
  return rows.filter(([value]) => Buffer.from(value as Uint8Array).includes(id)).length; // A BLOB column, NOT NULL.
}

async function leftovers(id: string) {
  const bundles = join(stateOf(root), "bundles", "default");
  return {
    shims: shimsOf(id).length,
    bundles: readdirSync(join(stateOf(root), "bundles")).flatMap(() => readdirSync(bundles).filter((x) => x === id)),
    mounts: (await mountsBelow(join(bundles, id))).length,
  };
}

const nothing = { shims: 0, bundles: [], mounts: 0 };

async function remove(id: string): Promise<void> {
  await ctr("tasks", "rm", "--force", id);
  await must("containers", "rm", id);
}

test("S2: the exit of a task while no command runs is told once, and its code stays until the task is deleted", async () => {
  await start("alone");
  const { pid = 0 } = (await row("alone")) ?? {};
  process.kill(pid, "SIGKILL");
  await until(() => hasEnded(pid));
  for (let look = 0; look < 3; look++) expect(await row("alone")).toEqual({ pid, status: "STOPPED" });
  expect(exits("alone")).toBe(1);
  expect((await ctr("tasks", "rm", "alone")).stderr).toContain("137");
  expect(await leftovers("alone")).toEqual(nothing);
  await remove("alone");
});

test("S3: a task whose shim was killed is cleaned up, its processes with it, and the container starts anew", async () => {
  await start("dead");
  const { pid = 0 } = (await row("dead")) ?? {};
  for (const shim of shimsOf("dead")) process.kill(shim, "SIGKILL");
  expect(await row("dead")).toBeUndefined();
  await until(() => hasEnded(pid));
  expect(await leftovers("dead")).toEqual(nothing);
  await must("tasks", "start", "-d", "--null-io", "dead");
  expect(await row("dead")).toMatchObject({ status: "RUNNING" });
  await remove("dead");
});

test("S3: a shim that is stopped is not taken for dead", async () => {
  await start("frozen");
  const before = await row("frozen");
  const [shim = 0] = shimsOf("frozen");
  process.kill(shim, "SIGSTOP");
  // The thread that takes the signal stops the others; until then they may answer.
  await until(() => threads(shim).every((path) => /^State:\s+T/m.test(read(path))));
  await ctr("tasks", "ls");
  process.kill(shim, "SIGCONT");
  expect(await row("frozen")).toEqual(before);
  await remove("frozen");
  expect(await leftovers("frozen")).toEqual(nothing);
});

test("a missing socket for events holds up no command", async () => {
  await start("quiet");
  await rm(join(stateOf(root), "events.sock"), { force: true });
  await must("tasks", "kill", "-s", "SIGKILL", "quiet");
  await remove("quiet");
  expect(exits("quiet")).toBe(1);
  expect(await leftovers("quiet")).toEqual(nothing);
});

test.each([
  ["run", 20],
  ["run", 60],
  ["run", 100],
  ["delete", 10],
  ["delete", 30],
])("S1: a %s killed after %d ms is followed by commands that work", async (what, ms) => {
  const id = `torn-${what}-${ms}`;
  if (what === "delete") await start(id);
  const words =
    what === "delete" ? ["tasks", "rm", "--force", id] : ["run", "-d", "--null-io", image, id, "sleep", "9"];
  const child = Bun.spawn(argv(words), { stdio: ["ignore", "ignore", "ignore"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), ms);
  await child.exited;
  clearTimeout(timer);
  await ctr("tasks", "rm", "--force", id);
  await ctr("containers", "rm", id);
  await must("run", "--rm", image, id, "true");
  expect(await leftovers(id)).toEqual(nothing);
});
