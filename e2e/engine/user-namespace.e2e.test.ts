import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

/** Containers whose root is nobody outside: their processes have to reach their root filesystem, and nothing else of the store. */
const image = "docker.io/library/busybox:latest";
let dir: string;
let root: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-userns-"));
  root = join(dir, "root");
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await ctr("images", "import", "--base-name", "docker.io/library/busybox", archive);
});
afterAll(async () => {
  await forgetStore(root);
  await rm(dir, { recursive: true, force: true });
});

const ctr = (...words: readonly string[]) => mustRun([ourCtr, "--address", `embedded://${root}`, ...words]);
const maps = ["--uidmap", "0:7000:70000", "--gidmap", "0:8000:70000"];

test("run --uidmap and --gidmap: root inside, somebody else outside, with a root filesystem of its own", async () => {
  const pidFile = join(dir, "pid");
  await ctr("run", "-d", "--null-io", "--pid-file", pidFile, ...maps, image, "mapped", "sleep", "1000");
  const pid = await readFile(pidFile, "utf8");
  const outside = await stat(`/proc/${pid}`);
  expect([outside.uid, outside.gid]).toEqual([7000, 8000]);
  expect(
    await ctr("tasks", "exec", "--exec-id", "e1", "mapped", "sh", "-c", "touch /made; id -u; stat -c %u:%g /made"),
  ).toBe("0\n0:0\n");
  const made = await stat(`/proc/${pid}/root/made`);
  expect([made.uid, made.gid]).toEqual([7000, 8000]);
  await ctr("tasks", "delete", "-f", "mapped").catch(() => undefined);
  await ctr("containers", "rm", "mapped");
});

test("what is on the way to the root filesystem can be walked through, and nothing in it be listed or opened", async () => {
  const state = stateOf(root);
  expect((await stat(state)).mode & 0o777).toBe(0o711);
  for (const name of await readdir(state)) {
    const { mode } = await stat(join(state, name));
    // Neither read nor write for anyone else; directories may be walked through.
    expect({ name, mode: mode & 0o066 }).toEqual({ name, mode: 0 });
  }
});
