import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { processesOf, startServe, stateOf } from "../support/engine.ts";
import { mustRun, type Outcome, run, waitForLine } from "../support/process.ts";
import { startRawServer } from "../support/raw-server.ts";
import { checkStore } from "../support/store-check.ts";
import { type CrashImage, type CrashStore, crashCtr, openCrashImage, openCrashStore } from "./crash-store.ts";

/** What a command talks to dies under it: registry, shim, server. And clocks that jump, and other versions. */
let image: CrashImage;
beforeAll(async () => {
  image = await openCrashImage();
});
afterAll(() => image[Symbol.asyncDispose]());

const sound = { problems: [], garbage: [] };

/** One line `ctr: …`, and at most one hint. */
function expectOneLine({ code, stderr }: Outcome): void {
  expect(stderr).toMatch(/^ctr: [^\n]+\n(?:hint: [^\n]+\n)?$/);
  expect(code).not.toBe(0);
}

test.each([1, 2, 3, 4, 5, 6])(
  "C3: a registry that is killed at request %d of a pull: one line, a sound store, and a pull that succeeds once it is back",
  async (nth) => {
    await using store = await openCrashStore();
    let asked = 0;
    await using front = await startRawServer(async (request, socket) => {
      asked++;
      if (asked === nth) await image.registry.kill("SIGKILL");
      if (asked >= nth) return void socket.resetAndDestroy();
      const accept = { accept: request.headers["accept"] ?? "*/*" };
      try {
        const answer = await fetch(`http://${image.registry.host}${request.target}`, {
          method: request.method,
          headers: accept,
        });
        const headers = [...answer.headers].map(([field, value]) => `${field}: ${value}\r\n`).join("");
        socket.write(`HTTP/1.1 ${answer.status} Status\r\n${headers}\r\n`);
        socket.end(await answer.bytes());
      } catch {
        // It was killed under a request that came before.
        socket.resetAndDestroy();
      }
    });
    const name = `${front.host}/crash/image:latest`;
    expectOneLine(await store.ctr(["images", "pull", "--plain-http", name]));
    expect(asked).toBeGreaterThanOrEqual(nth);
    expect(checkStore(store.root)).toMatchObject(sound);
    expect((await store.ctr(["images", "ls", "-q"])).stdout).toBe("");
    await image.registry.restart();
    asked = Number.NEGATIVE_INFINITY;
    await store.must(["images", "pull", "--plain-http", name]);
    await store.must(["run", "--rm", name, "c", "true"]);
    expect(await store.leftovers()).toEqual([]);
  },
  60_000,
);

/** Resolves once a process of the store's shims is there. */
async function shimOf(store: CrashStore): Promise<number> {
  for (;;) {
    const address = join(stateOf(store.root), "engine.sock");
    const lines = (await mustRun(["ps", "-eo", "pid=,args="])).split("\n");
    // The launcher has the same words behind its script; it becomes the shim.
    const found = lines.find((line) => line.includes(`-address ${address}`) && line.includes("-id c"));
    if (found !== undefined) return Number(found.trim().split(/\s/, 1)[0]);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It was quicker: the shim of a run that is over.
  }
}

const argvOn = (store: CrashStore, words: readonly string[]) => [crashCtr, "-a", store.address, ...words];

/** The container goes, and another of its name runs; nothing is left of either. */
async function expectRunsAgain(store: CrashStore): Promise<void> {
  await store.ctr(["tasks", "rm", "--force", "c"]);
  await store.ctr(["containers", "rm", "c"]);
  expect(store.problems()).toEqual([]);
  await store.must(["run", "--rm", image.imported, "c", "true"]);
  expect(await store.leftovers()).toEqual([]);
}

test("C3, S3: a shim that is killed as soon as it is there is started anew or told of in one line, and the run can be repeated", async () => {
  await using store = await openCrashStore();
  await store.must(["images", "import", image.archive]);
  const running = store.ctr(["run", "-d", image.imported, "c", "sleep", "1000"]);
  end(await shimOf(store));
  const outcome = await running;
  if (outcome.code !== 0) expectOneLine(outcome);
  await expectRunsAgain(store);
}, 60_000);

test("C3, S3: a shim that is killed once the process runs ends the run, which can be repeated", async () => {
  await using store = await openCrashStore();
  await store.must(["images", "import", image.archive]);
  const words = ["run", image.imported, "c", "sh", "-c", "echo up; exec sleep 1000"];
  const command = Bun.spawn(argvOn(store, words), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  await waitForLine(command.stdout, /up/, "run");
  end(await shimOf(store));
  expect(await command.exited).not.toBe(0);
  expect(await new Response(command.stderr).text()).toMatch(/^(?:ctr: [^\n]+\n(?:hint: [^\n]+\n)?)?$/);
  await expectRunsAgain(store);
}, 60_000);

test("C3, S3: a shim that is killed under an exec ends it, and leaves a store from which all can be removed", async () => {
  await using store = await openCrashStore();
  await store.must(["images", "import", image.archive]);
  await store.must(["run", "-d", image.imported, "c", "sleep", "1000"]);
  const words = ["tasks", "exec", "--exec-id", "e", "c", "sh", "-c", "echo up; exec sleep 1000"];
  const exec = Bun.spawn(argvOn(store, words), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  await waitForLine(exec.stdout, /up/, "exec");
  end(await shimOf(store));
  expect(await exec.exited).not.toBe(0);
  expect(store.problems()).toEqual([]);
  expect(await store.leftovers()).toEqual([]);
}, 60_000);

test.each<[string, (name: string) => readonly string[]]>([
  ["a pull", (name) => ["images", "pull", "--plain-http", name]],
  ["a push", (name) => ["images", "push", "--plain-http", name, image.imported]],
])(
  "C3: SIGTERM to ctr serve in the middle of %s by a Go client: it ends, the store is sound, and it starts again",
  async (_what, words) => {
    await using daemon = await startServe();
    await mustRun(["ctr", "-a", daemon.address, "images", "import", image.archive]);
    const asked = Promise.withResolvers<void>();
    await using silent = await startRawServer(() => asked.resolve());
    const name = `${silent.host}/crash/image:latest`;
    const command = run(["ctr", "-a", daemon.address, ...words(name)], { timeoutMs: 30_000 });
    await asked.promise;
    await daemon.kill("SIGTERM");
    await silent[Symbol.asyncDispose]();
    expect((await command).code).not.toBe(0);
    expect(checkStore(daemon.root)).toMatchObject({ problems: [] });
    await daemon.restart();
    await mustRun(["ctr", "-a", daemon.address, "images", "pull", "--plain-http", image.pulled]);
    await mustRun(["ctr", "-a", daemon.address, "run", "--rm", image.pulled, "c", "true"]);
  },
  60_000,
);

test("S1: SIGTERM to ctr serve in the middle of a run by a Go client: the container goes on, and the next server has it", async () => {
  await using daemon = await startServe();
  await mustRun(["ctr", "-a", daemon.address, "images", "import", image.archive]);
  const words = ["-a", daemon.address, "run", image.imported, "c", "sh", "-c", "echo up; exec sleep 1000"];
  const command = Bun.spawn(["ctr", ...words], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  await waitForLine(command.stdout, /up/, "run");
  await daemon.kill("SIGTERM");
  await command.exited;
  expect(checkStore(daemon.root)).toMatchObject({ problems: [] });
  await daemon.restart();
  expect(await mustRun(["ctr", "-a", daemon.address, "tasks", "ls"])).toMatch(/^c\s+\d+\s+RUNNING/m);
  await mustRun(["ctr", "-a", daemon.address, "tasks", "kill", "-s", "SIGKILL", "c"]);
  await mustRun(["ctr", "-a", daemon.address, "tasks", "rm", "--force", "c"]);
  await mustRun(["ctr", "-a", daemon.address, "containers", "rm", "c"]);
  expect(await processesOf(daemon.root)).toEqual([]);
}, 60_000);

const DAY = 24 * 3600;

test.each([
  ["forward", DAY],
  ["back", -DAY],
])(
  "C6: a clock that jumps a day %s and home takes nothing that is held, and stops no command",
  async (_way, seconds) => {
    await using store = await openCrashStore();
    const jumped = { CTR_CLOCK_SHIFT: String(seconds) };
    const inTime = async (words: readonly string[]) =>
      expect(await store.ctr(words, jumped)).toMatchObject({ code: 0 });
    await store.must(["images", "import", image.archive]);
    await store.must(["leases", "create", "--id", "held", "--expires", "100h"]);
    await inTime(["run", "-d", image.imported, "c", "sleep", "1000"]);
    await store.must(["tasks", "exec", "--exec-id", "e", "c", "true"]);
    // Each collects.
    for (const env of [jumped, {}, jumped]) {
      for (const words of [
        ["leases", "create", "--id", "one"],
        ["leases", "rm", "--sync", "one"],
      ]) {
        expect(await store.ctr(words, env)).toMatchObject({ code: 0, stderr: "" });
      }
      expect((await store.ctr(["leases", "ls", "-q"], env)).stdout).toBe("held\n");
      expect(store.problems()).toEqual([]);
    }
    await store.must(["tasks", "kill", "-s", "SIGKILL", "c"]);
    await inTime(["tasks", "rm", "--force", "c"]);
    await store.must(["run", "--rm", image.imported, "again", "true"]);
    await store.must(["leases", "rm", "held"]);
    expect(await store.leftovers()).toEqual([]);
  },
  60_000,
);

test("a store that a newer program has changed is refused in one line, by commands and by a server that runs, and nothing is lost", async () => {
  await using daemon = await startServe();
  const embedded = ["-a", `embedded://${daemon.root}`];
  await mustRun([crashCtr, ...embedded, "images", "import", image.archive]);
  await mustRun(["ctr", "-a", daemon.address, "run", "-d", image.imported, "c", "sleep", "1000"]);
  const version = schemaVersion(daemon.root);
  setSchemaVersion(daemon.root, version + 1);
  const before = await readFile(join(daemon.root, "meta.db"));
  const refused = await run([crashCtr, ...embedded, "images", "ls"]);
  expectOneLine(refused);
  expect(refused.stderr).toMatch(/newer|another version/);
  const served = await run(["ctr", "-a", daemon.address, "images", "tag", image.imported, "other:1"]);
  expect(served.code).not.toBe(0);
  expect(served.stderr).toMatch(/newer|another version/);
  expect(await readFile(join(daemon.root, "meta.db"))).toEqual(before);
  setSchemaVersion(daemon.root, version);
  expect(await mustRun(["ctr", "-a", daemon.address, "tasks", "ls"])).toMatch(/^c\s+\d+\s+RUNNING/m);
  expect(await mustRun([crashCtr, ...embedded, "images", "ls", "-q"])).toBe(`${image.imported}\n`);
}, 60_000);

function schemaVersion(root: string): number {
  using db = new Database(join(root, "meta.db"), { readonly: true });
  const row = db.query("PRAGMA user_version").get();
  return row !== null && typeof row === "object" && "user_version" in row ? Number(row.user_version) : -1;
}

function setSchemaVersion(root: string, version: number): void {
  using db = new Database(join(root, "meta.db"));
  // The server may be writing.
  db.run("PRAGMA busy_timeout = 10000");
  db.run(`PRAGMA user_version = ${version}`);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

const damages: readonly (readonly [string, (path: string, good: Buffer) => Promise<void>])[] = [
  ["cut short", (path, good) => truncate(path, good.byteLength - 1)],
  ["emptied", (path) => truncate(path, 0)],
  ["grown", (path, good) => writeFile(path, Buffer.concat([good, Buffer.from("more")]))],
];
test.each(damages)(
  "C8: a layer that was %s is told of, a run from it fails in one line, and --repair heals it",
  async (_how, damage) => {
    await using store = await openCrashStore();
    await store.must(["images", "pull", "--plain-http", image.pulled]);
    const digest = largestBlob(store.root);
    const path = join(store.root, "io.containerd.content.v1.content/blobs/sha256", digest.slice(7));
    const good = await readFile(path);
    await chmod(path, 0o644);
    await damage(path, good);
    const told = await store.ctr(["content", "verify"]);
    expect(told.code).toBe(1);
    expect(told.stdout).toContain(`${digest}: damaged: `);
    // Where the snapshots are gone too, a run has to unpack the layer.
    await removeSnapshots(store);
    const failed = await store.ctr(["run", "--rm", image.pulled, "c", "true"]);
    expectOneLine(failed);
    expect(failed.stderr).toMatch(/bytes, its record says \d+: data loss\n/);
    // The bytes count as fetched: a pull does not fetch them again, and must not call that a success.
    expectOneLine(await store.ctr(["images", "pull", "--plain-http", image.pulled]));
    await store.must(["content", "verify", "--repair", "--plain-http"]);
    expect(await readFile(path)).toEqual(good);
    await store.must(["content", "verify"]);
    await store.must(["images", "pull", "--plain-http", image.pulled]);
    await store.must(["run", "--rm", image.pulled, "c", "true"]);
    expect(await store.leftovers()).toEqual([]);
  },
  60_000,
);

function largestBlob(root: string): string {
  using db = new Database(join(root, "meta.db"), { readonly: true });
  return String(db.query("SELECT digest FROM blobs ORDER BY size DESC LIMIT 1").values()[0]?.[0]);
}

/** Top first: a parent is held by its child. */
async function removeSnapshots(store: CrashStore): Promise<void> {
  for (;;) {
    const lines = (await store.ctr(["snapshots", "ls"])).stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(/\s+/));
    const parents = new Set(lines.map(([, parent]) => parent));
    const top = lines.find(([key]) => !parents.has(key))?.[0];
    if (top === undefined) return;
    await store.must(["snapshots", "rm", top]);
  }
}
