import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow } from "../support/containerd.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { peakOf } from "../support/memory.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";

/** What does not exist here, and must not come to exist by accident. */
const image = "docker.io/library/busybox:latest";
let dir: string;
let root: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-refused-"));
  root = join(dir, "root");
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  expect(await ctr("images", "import", "--base-name", "docker.io/library/busybox", archive)).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await forgetStore(root);
  await rm(dir, { recursive: true, force: true });
});

const ctr = (...words: readonly string[]): Promise<Outcome> => run([ourCtr, "-a", `embedded://${root}`, ...words]);

const LABEL = "system_u:object_r:etc_t:s0";

/** Every label below a directory of the host, by name. */
async function labelsOf(host: string): Promise<string> {
  return await mustRun(["getfattr", "--recursive", "--absolute-names", "--name", "security.selinux", host]);
}

test.each(["z", "Z"])(
  "R7: files of the host keep their labels, also under a mount with the option %s",
  async (option) => {
    const host = join(dir, "host");
    await mkdir(host, { recursive: true });
    await writeFile(join(host, "file"), "theirs\n");
    for (const path of [host, join(host, "file")])
      await mustRun(["setfattr", "-n", "security.selinux", "-v", LABEL, path]);
    const before = await labelsOf(host);
    expect(before).toContain(LABEL);
    // The runtime may refuse it; what counts is what becomes of the files.
    await ctr("run", "--rm", "--mount", `type=bind,src=${host},dst=/host,options=rbind:${option}`, image, "c1", "true");
    expect(await labelsOf(host)).toBe(before);
    expect((await ctr("containers", "ls", "-q")).stdout).toBe("");
  },
);

test("R11: what a process writes is passed on, not gathered", async () => {
  const words = ["run", "--rm", image, "c1", "dd", "if=/dev/zero", "bs=1048576", "count=160"];
  const child = Bun.spawn([ourCtr, "-a", `embedded://${root}`, ...words], { stdio: ["ignore", "pipe", "ignore"] });
  const peak = peakOf(child);
  let bytes = 0;
  for await (const chunk of child.stdout) bytes += chunk.byteLength;
  expect([await child.exited, bytes]).toEqual([0, 160 * 1024 * 1024]);
  expect(await peak).toBeLessThan(bytes);
});

test("R21: for a container that runs its root filesystem is mounted, and nothing else, then or later", async () => {
  expect(await ctr("run", "-d", image, "c1", "sleep", "1000")).toMatchObject({ code: 0 });
  const mounts = [join(stateOf(root), "bundles/default/c1/rootfs")];
  expect(await mountsBelow(stateOf(root))).toEqual(mounts);
  for (const words of [
    ["exec", "--exec-id", "e1", "c1", "true"],
    ["pause", "c1"],
    ["resume", "c1"],
    ["metrics", "c1"],
  ]) {
    expect(await ctr("tasks", ...words)).toMatchObject({ code: 0 });
    expect(await mountsBelow(stateOf(root))).toEqual(mounts);
  }
  await ctr("tasks", "rm", "--force", "c1");
  await ctr("containers", "rm", "c1");
  expect(await mountsBelow(stateOf(root))).toEqual([]);
});

test.each(["cp", "containers cp", "tasks cp", "containers copy"])(
  "R22: there is no command that copies into a container: %s",
  async (words) => {
    const refused = await ctr(...words.split(" "), "/etc/hostname", "c1:/tmp/x");
    expect(refused.stdout + refused.stderr).toMatch(/no help topic for 'c(p|opy)'/i);
  },
);
