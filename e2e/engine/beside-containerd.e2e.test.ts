import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

const image = "docker.io/library/busybox:latest";
let daemon: PrivateContainerd;
let dir: string;
let root: string;

beforeAll(async () => {
  daemon = await startContainerd();
  dir = await mkdtemp(join(tmpdir(), "ctr-beside-"));
  root = join(dir, "root");
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  for (const ctr of [onContainerd, onEngine]) {
    await ctr("images", "import", "--base-name", "docker.io/library/busybox", archive);
  }
});
afterAll(async () => {
  await forgetStore(root);
  await daemon?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

type Ctr = (...words: readonly string[]) => Promise<string>;
const onContainerd: Ctr = (...words) => mustRun([ourCtr, "--address", daemon.address, "-n", "both", ...words]);
const onEngine: Ctr = (...words) => mustRun([ourCtr, "--address", `embedded://${root}`, "-n", "both", ...words]);

const stateOfTask = async (ctr: Ctr) => / (RUNNING|STOPPED|PAUSED)/.exec(await ctr("tasks", "ls"))?.[1];

test.each([
  ["the engine", onEngine, onContainerd],
  ["containerd", onContainerd, onEngine],
])(
  "what %s does to its container does not touch the other's of the same namespace and id",
  async (_who, ours, theirs) => {
    for (const ctr of [ours, theirs]) await ctr("run", "-d", "--null-io", image, "twin", "sleep", "1000");
    const pid = async (ctr: Ctr) => /^twin +(\d+) /m.exec(await ctr("tasks", "ls"))?.[1];
    const theirPid = await pid(theirs);
    expect(await pid(ours)).not.toBe(theirPid);

    await ours("tasks", "pause", "twin");
    expect([await stateOfTask(ours), await stateOfTask(theirs)]).toEqual(["PAUSED", "RUNNING"]);
    await ours("tasks", "resume", "twin");
    await ours("tasks", "exec", "--exec-id", "e", "twin", "true");
    await ours("tasks", "rm", "--force", "twin");
    await ours("containers", "rm", "twin");
    expect(await ours("containers", "ls", "-q")).toBe("");

    expect(await pid(theirs)).toBe(theirPid);
    expect(await theirs("tasks", "exec", "--exec-id", "e", "twin", "echo", "alive")).toBe("alive\n");
    await theirs("tasks", "rm", "--force", "twin");
    await theirs("containers", "rm", "twin");
  },
);
