import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, existsSync, lstatSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
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

const eventsSocket = () => join(stateOf(root), "events.sock");
const bundleOf = (id: string) => join(stateOf(root), "bundles/default", id);

/** Takes SIGTERM for a reason to end with 7. */
const mortal = ["sh", "-c", "trap 'exit 7' TERM; sleep 1000 & wait"];

/** What may be where a shim tells its events; each returns what ends it. */
const sockets: readonly (readonly [how: string, id: string, spoil: () => Promise<Disposable>])[] = [
  ["refuses", "refusing", async () => ({ [Symbol.dispose]: () => undefined })],
  [
    "is missing",
    "missing",
    async () => {
      await rm(eventsSocket());
      return { [Symbol.dispose]: () => undefined };
    },
  ],
  ["takes connections and says nothing", "stalled", stalledSocket],
];

async function stalledSocket(): Promise<Disposable> {
  const path = join(dir, "stalled.sock");
  const server = Bun.listen({ unix: path, socket: { data: () => undefined } });
  await rename(path, eventsSocket());
  return { [Symbol.dispose]: () => server.stop(true) };
}

test.each(sockets)(
  "S2: with a socket for events that %s, an exit is told once by the next command",
  async (_how, id, spoil) => {
    await must("run", "-d", "--null-io", image, id, ...mortal);
    const { pid = 0 } = (await row(id)) ?? {};
    const [shim = 0] = shimsOf(id);
    const socket = await spoil();
    process.kill(pid, "SIGTERM");
    await until(() => hasEnded(pid));
    expect(await row(id)).toEqual({ pid, status: "STOPPED" });
    expect(shimsOf(id)).toEqual([shim]);
    expect(exits(id)).toBe(1);
    expect((await ctr("tasks", "rm", id)).stderr).toContain("exit code 7");
    await must("containers", "rm", id);
    expect(exits(id)).toBe(1);
    socket[Symbol.dispose]();
    // A shim that waits for an answer to its event is as patient at its end.
    await until(() => shimsOf(id).length === 0);
    expect(await leftovers(id)).toEqual(nothing);
  },
);

test.each(sockets)(
  "with a socket for events that %s, tasks are run, paused, killed and deleted",
  async (_how, id, spoil) => {
    const name = `${id}-on`;
    await start(name);
    const socket = await spoil();
    for (const word of ["pause", "resume"]) await must("tasks", word, name);
    await must("tasks", "kill", "-s", "SIGKILL", name);
    await remove(name);
    expect(exits(name)).toBe(1);
    socket[Symbol.dispose]();
    await until(() => shimsOf(name).length === 0);
    expect(await leftovers(name)).toEqual(nothing);
  },
);

test("the socket that a shim was told of is there between commands: a path that is missing would stall it", async () => {
  await start("told");
  const [shim = 0] = shimsOf("told");
  expect(read(`/proc/${shim}/environ`).split("\0")).toContain(`TTRPC_ADDRESS=${eventsSocket()}`);
  expect(lstatSync(eventsSocket()).isSocket()).toBe(true);
  await remove("told");
  expect(lstatSync(eventsSocket()).isSocket()).toBe(true);
});

test("a shim's log is a file, and takes more than any pipe would without holding the shim up", async () => {
  await start("wordy");
  const [shim = 0] = shimsOf("wordy");
  const log = join(bundleOf("wordy"), "log");
  expect(lstatSync(log).isFile()).toBe(true);
  const stderr = openSync(`/proc/${shim}/fd/2`, "a");
  const line = Buffer.alloc(1024 * 1024, "x");
  for (let written = 0; written < 32; written++) writeSync(stderr, line);
  closeSync(stderr);
  expect(statSync(log).size).toBeGreaterThanOrEqual(32 * line.byteLength);
  expect(await row("wordy")).toMatchObject({ status: "RUNNING" });
  await must("tasks", "exec", "--exec-id", "e1", "wordy", "true");
  await remove("wordy");
  expect(await leftovers("wordy")).toEqual(nothing);
});

test("a stdin that ends here ends in the container, of a task and of an exec", async () => {
  const typed = { stdin: "typed\n", timeoutMs: 20_000 };
  expect(await run(argv(["run", "--rm", image, "reader", "cat"]), typed)).toMatchObject({ code: 0, stdout: "typed\n" });
  await start("reader");
  const exec = argv(["tasks", "exec", "--exec-id", "e1", "reader", "cat"]);
  expect(await run(exec, typed)).toMatchObject({ code: 0, stdout: "typed\n" });
  await remove("reader");
  expect(await leftovers("reader")).toEqual(nothing);
});

test("the exit code of an exec that nobody watched is kept until it is deleted", async () => {
  await start("busy");
  const words = ["tasks", "exec", "-d", "--exec-id", "e1", "busy", "sh", "-c", "echo $$ >/pid; exit 9"];
  await must(...words);
  const ended = () => !read(`/proc/${pidIn("busy")}/task/${pidIn("busy")}/children`).trim();
  await until(() => ended());
  // Each of these commands is another process.
  for (let look = 0; look < 2; look++) expect((await ctr(...words)).stderr).toContain("already exists");
  expect((await ctr("tasks", "rm", "--exec-id", "e1", "busy")).code).toBe(9);
  expect((await ctr("tasks", "rm", "--exec-id", "e1", "busy")).stderr).toContain("not found");
  await remove("busy");
  expect(await leftovers("busy")).toEqual(nothing);
});

/** The first process of a task, as the shim wrote it down. */
function pidIn(id: string): number {
  return Number(read(join(bundleOf(id), "init.pid")));
}

test("stdout without stderr is the shim's to refuse, and leaves the task as it was", async () => {
  await start("lone");
  const spec = join(dir, "process.json");
  await writeFile(spec, JSON.stringify({ args: ["true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } }));
  const stdout = join(dir, "lone-stdout");
  await writeFile(stdout, "");
  const refused = await ctr("shim", "--id", "lone", "exec", "--spec", spec, "--stdout", stdout, "e1");
  expect(refused.code).toBe(1);
  expect(refused.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(await row("lone")).toMatchObject({ status: "RUNNING" });
  await remove("lone");
  expect(await leftovers("lone")).toEqual(nothing);
});

test("S3: who watches a task whose shim is killed is told of its end, and nothing of it is left", async () => {
  const child = Bun.spawn(argv(["run", "--rm", image, "watched", "sleep", "1000"]), {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await until(() => existsSync(join(bundleOf("watched"), "init.pid")));
  while ((await row("watched"))?.status !== "RUNNING");
  for (const shim of shimsOf("watched")) process.kill(shim, "SIGKILL");
  expect([await new Response(child.stderr).text(), await child.exited]).toEqual(["", 137]);
  expect(await leftovers("watched")).toEqual(nothing);
  expect(await must("containers", "ls", "-q")).not.toContain("watched");
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
