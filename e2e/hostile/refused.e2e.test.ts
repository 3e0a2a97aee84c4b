import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountPointsAt } from "@ctr/sys";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow, type PrivateContainerd, startContainerd } from "../support/containerd.ts";
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

test.each(["z", "Z"])("R7: the mount option %s is refused, and files of the host keep their labels", async (option) => {
  const host = join(dir, "host");
  await mkdir(host, { recursive: true });
  await writeFile(join(host, "file"), "theirs\n");
  for (const path of [host, join(host, "file")])
    await mustRun(["setfattr", "-n", "security.selinux", "-v", LABEL, path]);
  const before = await labelsOf(host);
  expect(before).toContain(LABEL);
  for (const source of [host, "/", "/etc", "/usr", "/home"]) {
    const mount = `type=bind,src=${source},dst=/host,options=rbind:ro:${option}`;
    for (const words of [
      ["run", "--rm"],
      ["containers", "create"],
    ]) {
      const { code, stderr } = await ctr(...words, "--mount", mount, image, "c1", "true");
      expect({ source, code, stderr }).toEqual({
        source,
        code: 1,
        stderr: expect.stringContaining(
          `: the option ${option} asks to relabel files of the host, which is never done: invalid argument\nhint: leave it out; `,
        ),
      });
    }
  }
  expect(await labelsOf(host)).toBe(before);
  expect((await ctr("containers", "ls", "-q")).stdout).toBe("");
});

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

describe.each(["overlayfs", "native", "containerd"] as const)("%s", (kind) => {
  test("R21: images mount goes into no root filesystem that runs, by whatever path, nor where a link in it leads", async () => {
    await using daemon = kind === "containerd" ? await startContainerd() : undefined;
    const snapshotter = kind === "native" ? "native" : "overlayfs";
    const own = join(dir, `${kind}-root`);
    const address = daemon?.address ?? `embedded://${own}`;
    const words = (...rest: readonly string[]) => run([ourCtr, "-a", address, ...rest]);
    const [outside, link] = [join(dir, `${kind}-outside`), join(dir, `${kind}-link`)];
    await mkdir(outside);
    const base = ["--base-name", "docker.io/library/busybox", "--snapshotter", snapshotter];
    expect(await words("images", "import", ...base, join(dir, "busybox.tar"))).toMatchObject({ code: 0 });
    const inside = ["sh", "-c", `ln -s ${outside} /out && echo ready && exec sleep 1000`];
    const started = await words(
      "run",
      "-d",
      "--snapshotter",
      snapshotter,
      "--log-uri",
      `file://${link}.log`,
      image,
      "c1",
      ...inside,
    );
    expect(started).toMatchObject({ code: 0, stderr: "" });
    await mustRun(["sh", "-c", `tail -f ${link}.log | grep -qm1 ready`]);
    const rootfs = daemon === undefined ? join(stateOf(own), "bundles/default/c1/rootfs") : await rootfsOf(daemon);
    const [, pid = ""] = /^c1 +(\d+)/m.exec((await words("tasks", "ls")).stdout) ?? [];
    await symlink(rootfs, link);
    const ways = [rootfs, join(rootfs, "tmp"), join(link, "etc"), join(link, "out"), `/proc/${pid}/root/tmp`];
    const bound = sourceOf(rootfs);
    const before = [await mountsBelow(dir), await mountsBelow(rootfs), (await words("snapshots", "ls")).stdout];
    for (const target of [...ways, ...(bound === undefined ? [] : [join(bound, "tmp")])]) {
      const { code, stdout, stderr } = await words("images", "mount", "--snapshotter", snapshotter, image, target);
      expect({ target, code, stdout, stderr }).toEqual({
        target,
        code: 1,
        stdout: "",
        stderr: expect.stringContaining("it is in the root filesystem of a container that runs, process "),
      });
    }
    expect([await mountsBelow(dir), await mountsBelow(rootfs), (await words("snapshots", "ls")).stdout]).toEqual(
      before,
    );
    expect((await words("leases", "ls", "-q")).stdout).toBe("");
    // A directory of the host's is as good as ever.
    expect(await words("images", "mount", "--snapshotter", snapshotter, image, outside)).toMatchObject({ code: 0 });
    expect(await words("images", "unmount", "--rm", "--snapshotter", snapshotter, outside)).toMatchObject({ code: 0 });
    expect(await words("tasks", "rm", "--force", "c1")).toMatchObject({ code: 0 });
    expect(await words("containers", "rm", "c1")).toMatchObject({ code: 0 });
    if (daemon === undefined) await forgetStore(own);
  }, 60_000);
});

async function rootfsOf(daemon: PrivateContainerd): Promise<string> {
  const found = (await mountsBelow(daemon.dir)).filter((path) => path.endsWith("/default/c1/rootfs"));
  expect(found).toHaveLength(1);
  return found[0] ?? "";
}

/** The directory that is bound on `rootfs`, where it is one. */
function sourceOf(rootfs: string): string | undefined {
  const [mount] = mountPointsAt(rootfs);
  return mount?.type === "overlay" ? undefined : mount?.root;
}

test.each(["cp", "containers cp", "tasks cp", "containers copy", "tasks copy"])(
  "R22: there is no command that copies into a container: %s is refused",
  async (words) => {
    const [last = ""] = words.split(" ").slice(-1);
    const refused = await ctr(...words.split(" "), "/etc/hostname", "c1:/tmp/x");
    expect(refused).toEqual({ code: 3, stdout: "", stderr: expect.stringContaining(`No help topic for '${last}'`) });
  },
);
