import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { crashCtr } from "../crash/crash-store.ts";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { type Outcome, run, waitForLine } from "../support/process.ts";
import { checkStore } from "../support/store-check.ts";

/** One program takes over from another: their builds differ, as releases will. */
const image = "docker.io/library/busybox:latest";
let dir: string;
let archive: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-upgrade-"));
  archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("U2: the program is replaced while containers run, and the new one sees, uses and ends them", async () => {
  const root = join(dir, "running");
  await using stack = new AsyncDisposableStack();
  const program = join(dir, "ctr");
  const ctr = (...words: readonly string[]): Promise<Outcome> => run([program, "-a", `embedded://${root}`, ...words]);
  await copyFile(ourCtr, program);
  const import_ = ["images", "import", "--base-name", "docker.io/library/busybox", archive];
  expect(await ctr(...import_)).toMatchObject({ code: 0 });
  stack.defer(() => forgetStore(root));
  for (const id of ["one", "two"])
    expect(await ctr("run", "-d", image, id, "sleep", "1000")).toMatchObject({ code: 0 });
  const socket = join(dir, "old.sock");
  const old = Bun.spawn([program, "-a", `embedded://${root}`, "serve", "--listen", socket], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  stack.defer(async () => {
    old.kill("SIGKILL");
    await old.exited;
  });
  await waitForLine(old.stderr, /serving containerd's API/, "ctr serve");
  // A daemon of the old program still runs; its file is gone.
  await rm(program);
  await copyFile(crashCtr, program);
  expect((await ctr("tasks", "ls")).stdout).toMatch(/^one\s+\d+\s+RUNNING\ntwo\s+\d+\s+RUNNING$/m);
  expect(await ctr("tasks", "exec", "--exec-id", "e1", "one", "echo", "in")).toMatchObject({ code: 0, stdout: "in\n" });
  expect(await ctr("-a", socket, "tasks", "rm", "--force", "one")).toMatchObject({ code: 0 });
  old.kill("SIGTERM");
  await old.exited;
  expect(await ctr("tasks", "rm", "--force", "two")).toMatchObject({ code: 0 });
  for (const id of ["one", "two"]) expect(await ctr("containers", "rm", id)).toMatchObject({ code: 0 });
  expect(await ctr("run", "--rm", image, "three", "true")).toMatchObject({ code: 0 });
  expect(checkStore(root)).toMatchObject({ problems: [], garbage: [] });
});

/** A database as a release wrote it, as text; each release adds its own. */
const releases = [["0.1.0"]] as const;

test.each(releases)("U1: a database of %s opens, and what is in it is found and used", async (release) => {
  const root = join(dir, `of-${release}`);
  await mkdir(root, { mode: 0o700 });
  const sql = await readFile(resolve(import.meta.dir, `../../testdata/databases/${release}.sql`), "utf8");
  using db = new Database(join(root, "meta.db"));
  db.run(sql);
  db.close();
  const ctr = (...words: readonly string[]): Promise<Outcome> => run([ourCtr, "-a", `embedded://${root}`, ...words]);
  const list = async (...words: readonly string[]) => (await ctr(...words)).stdout;
  expect(await list("namespaces", "ls")).toMatch(/^old\s+team=core\s*$/m);
  expect(await list("-n", "old", "images", "ls")).toContain("old.test/image:1");
  expect(JSON.parse(await list("-n", "old", "containers", "info", "c1"))).toMatchObject({
    ID: "c1",
    Labels: { from: release },
    Image: "old.test/image:1",
    SnapshotKey: "c1",
  });
  expect(await list("-n", "old", "leases", "ls")).toContain("kept");
  expect(await ctr("-n", "old", "leases", "rm", "kept")).toMatchObject({ code: 0 });
  expect(await ctr("images", "import", "--base-name", "docker.io/library/busybox", archive)).toMatchObject({ code: 0 });
  expect(await ctr("run", "--rm", image, "new", "true")).toMatchObject({ code: 0 });
  expect(await list("-n", "old", "containers", "ls", "-q")).toBe("c1\n");
  await forgetStore(root);
});
