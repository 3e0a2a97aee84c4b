import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorFromStatus, services } from "@ctr/api";
import { type Channel, connectH2c, createClient } from "@ctr/rpc";
import { inNamespace } from "../contract/subjects.ts";
import { crashCtr } from "../crash/crash-store.ts";
import { ourCtr } from "../support/binaries.ts";
import { mountsBelow, type PrivateContainerd } from "../support/containerd.ts";
import { forgetStore, startServe, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";

const image = "docker.io/library/busybox:latest";
let dir: string;
let archive: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-mounts-"));
  archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const importWords = ["images", "import", "--base-name", "docker.io/library/busybox"];

describe.each(["embedded", "serve"] as const)("%s", (kind) => {
  let root: string;
  let served: PrivateContainerd | undefined;
  let address: string;
  let target: string;
  const ctr = (...words: readonly string[]) => mustRun([ourCtr, "--address", address, ...words]);
  const tried = (...words: readonly string[]) => run([ourCtr, "--address", address, ...words]);
  /** What stands of the engine's mounts. */
  const standing = () => mountsBelow(join(stateOf(root), "mounts"));

  beforeAll(async () => {
    root = join(dir, kind);
    target = join(dir, `${kind}-target`);
    await mkdir(target);
    await mkdir(root, { mode: 0o700 });
    if (kind === "serve") {
      served = await startServe({ root });
      address = served.address;
    } else address = `embedded://${root}`;
    await ctr(...importWords, archive);
  });
  afterAll(async () => {
    if (served === undefined) await forgetStore(root);
    await served?.[Symbol.asyncDispose]();
  });

  test("plugins ls names the mount manager", async () => {
    expect(await ctr("plugins", "ls", "type==io.containerd.mount-manager.v1")).toMatch(
      /mount-manager\.v1 +bolt +\S+ +ok/,
    );
  });

  test("images mount without TARGET mounts in the engine, and prints where; its lease keeps it", async () => {
    const [chain = "", path = ""] = (await ctr("images", "mount", image)).split("\n");
    expect(chain).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await readFile(join(path, "etc/passwd"), "utf8")).toContain("root:");
    await expect(writeFile(join(path, "new"), "")).rejects.toMatchObject({ code: "EROFS" });
    await ctr("leases", "create", "--id", "gc");
    await ctr("leases", "rm", "--sync", "gc");
    expect(await standing()).toEqual([path]);
    const [lease = ""] = (await ctr("leases", "ls", "-q")).split("\n");
    expect(lease).toMatch(/^ctr-images-mount-/);
    await ctr("leases", "rm", "--sync", lease);
    expect(await standing()).toEqual([]);
    expect(await ctr("snapshots", "ls")).not.toContain("ctr-images-mount");
  });

  test("images mount --rw on a TARGET, once more while it is mounted, after it was unmounted, and unmount --rm", async () => {
    expect((await ctr("images", "mount", "--rw", image, target)).split("\n")[1]).toBe(target);
    await writeFile(join(target, "new"), "x");
    expect(await tried("images", "mount", "--rw", image, target)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^ctr: activate error: mount ".*": already exists/),
    });
    expect(await readFile(join(target, "new"), "utf8")).toBe("x");
    await ctr("images", "unmount", target);
    await ctr("images", "mount", "--rw", image, target);
    expect(await readFile(join(target, "new"), "utf8")).toBe("x");
    await ctr("images", "unmount", "--rm", target);
    await ctr("leases", "create", "--id", "gc");
    await ctr("leases", "rm", "--sync", "gc");
    expect(await standing()).toEqual([]);
    expect(await ctr("leases", "ls", "-q")).toBe("");
  });

  test("snapshots mounts --temp has the engine mount, and prints the one mount that is left", async () => {
    const [chain = ""] = (await ctr("images", "mount", image, target)).split("\n");
    await ctr("images", "unmount", "--rm", target);
    await ctr("snapshots", "prepare", "key", chain);
    const words = (await ctr("snapshots", "mounts", "--temp", "/mnt", "key")).trim();
    const [point = ""] = await standing();
    expect(words).toBe(`mount -t bind ${point} /mnt -o rbind`);
    expect(await ctr("snapshots", "mounts", "/mnt", "key")).toContain("lowerdir=");
    await ctr("snapshots", "rm", "key");
    await ctr("leases", "create", "--id", "gc");
    await ctr("leases", "rm", "--sync", "gc");
    expect(await standing()).toEqual([]);
  });
});

test("a task's root filesystem that takes a mount manager is mounted for the shim, and taken down with the task", async () => {
  await using served = await startServe();
  const ctr = (...words: readonly string[]) => mustRun([ourCtr, "--address", served.address, ...words]);
  await ctr(...importWords, archive);
  await ctr("containers", "create", image, "c1", "sleep", "1000");
  const tree = (await ctr("images", "mount", image)).split("\n")[1] ?? "";
  const { signal } = new AbortController();
  await using channel: Channel = await connectH2c({ path: served.address, signal, errorFrom: errorFromStatus });
  const tasks = createClient(await services.tasks(), channel);
  const options = inNamespace("default");
  const rootfs = [
    { type: "bind", source: tree, options: ["rbind", "ro"] },
    { type: "format/bind", source: "{{ mount 0 }}", options: ["rbind", "ro"] },
  ];
  const before = await mountsBelow(join(stateOf(served.root), "mounts"));
  for (const ended of ["deleted", "failed"] as const) {
    const wrong = ended === "failed" ? [{ type: "nosuchfs", source: "x", options: [] }] : [];
    const made = tasks.create({ containerId: "c1", rootfs: [...rootfs, ...wrong] }, options);
    if (ended === "failed") await expect(made).rejects.toThrow();
    else {
      await made;
      await tasks.start({ containerId: "c1" }, options);
      expect(await mountsBelow(join(stateOf(served.root), "mounts"))).toHaveLength(before.length + 1);
      expect(await ctr("tasks", "exec", "--exec-id", "e", "c1", "cat", "/etc/passwd")).toContain("root:");
      await ctr("tasks", "rm", "--force", "c1");
    }
    expect(await mountsBelow(join(stateOf(served.root), "mounts"))).toEqual(before);
  }
}, 60_000);

test.each(["mounts.row", "mounts.one", "mounts.mounted"])(
  "C3: images mount that is killed at %s leaves nothing mounted once it is collected, and its repeat succeeds",
  async (point) => {
    const root = join(dir, `kill-${point}`);
    const target = join(dir, `target-${point}`);
    await mkdir(target);
    const ctr = (words: readonly string[], env = {}) =>
      run([crashCtr, "--address", `embedded://${root}`, ...words], { env });
    try {
      expect(await ctr([...importWords, archive])).toMatchObject({ code: 0 });
      const mount = ["images", "mount", image, target];
      expect(await ctr(mount, { CTR_FAILPOINT: `${point}:kill` })).toMatchObject({ code: 137 });
      expect(await ctr(mount)).toMatchObject({ code: 0 });
      expect(await readFile(join(target, "etc/passwd"), "utf8")).toContain("root:");
      expect(await ctr(["images", "unmount", "--rm", target])).toMatchObject({ code: 0 });
      expect(await ctr(mount, { CTR_FAILPOINT: `${point}:kill` })).toMatchObject({ code: 137 });
      // Any later command that changes something.
      expect(await ctr(["images", "label", image, "a=b"])).toMatchObject({ code: 0 });
      expect(await mountsBelow(stateOf(root))).toEqual([]);
    } finally {
      await forgetStore(root);
    }
  },
);
