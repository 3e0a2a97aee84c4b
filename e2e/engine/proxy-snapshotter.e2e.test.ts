import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { crashCtr } from "../crash/crash-store.ts";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { forgetStore, proxyConfig, startServe, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** The engine on the overlayfs snapshotter of a containerd: the snapshotter daemon that Debian has. */
const image = "docker.io/library/busybox:latest";
let daemon: PrivateContainerd;
let registry: PrivateRegistry;
let dir: string;
let archive: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-proxy-"));
  archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  daemon = await startContainerd();
  registry = await startRegistry();
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** What the daemon has of a store, by its own client. */
async function remoteKeys(root: string): Promise<readonly string[]> {
  const list = await mustRun([goCtr, "--address", daemon.address, "snapshots", "--snapshotter", "overlayfs", "ls"]);
  return list
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(/ {2,}/)[0] ?? "")
    .filter((key) => key.includes(`/${basename(stateOf(root))}-`));
}

async function newRoot(name: string): Promise<string> {
  const root = join(dir, name);
  await mkdir(root, { mode: 0o700 });
  await writeFile(join(root, "config.toml"), proxyConfig(daemon.address, ["overlayfs"]));
  return root;
}

const importWords = ["images", "import", "--base-name", "docker.io/library/busybox", "--snapshotter", "far-overlayfs"];
const snapshots = ["snapshots", "--snapshotter", "far-overlayfs"];

describe.each(["embedded", "serve"] as const)("%s", (kind) => {
  let root: string;
  let served: AsyncDisposable | undefined;
  let address: string;
  const ctr = (...words: readonly string[]) => mustRun([ourCtr, "--address", address, ...words]);
  const tried = (...words: readonly string[]) => run([ourCtr, "--address", address, ...words]);

  beforeAll(async () => {
    root = await newRoot(kind);
    if (kind === "serve") {
      const engine = await startServe({ root });
      served = engine;
      address = engine.address;
    } else address = `embedded://${root}`;
  });
  afterAll(async () => {
    if (served === undefined) await forgetStore(root);
    await served?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    for (const name of (await ctr("images", "ls", "-q")).split("\n").filter(Boolean))
      await ctr("images", "rm", "--sync", name);
    await collected();
    expect(await remoteKeys(root)).toEqual([]);
  });

  /** Runs a collection and waits for it. */
  async function collected(): Promise<void> {
    await ctr("leases", "create", "--id", "gc");
    await ctr("leases", "rm", "--sync", "gc");
  }

  test("plugins ls names it, with the daemon's address", async () => {
    expect(await ctr("plugins", "ls", "id==far-overlayfs")).toMatch(
      /^io\.containerd\.snapshotter\.v1 +far-overlayfs +\S+ +ok/m,
    );
    expect(await ctr("plugins", "ls", "-d", "id==far-overlayfs")).toContain(daemon.address);
  });

  test("an image is unpacked into the daemon, runs from it, and is gone from it when it is removed", async () => {
    await ctr(...importWords, archive);
    const keys = await remoteKeys(root);
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(key).toMatch(/^default\/[0-9a-f]{12}-[0-9a-f]{12}\/sha256:[0-9a-f]{64}$/);

    const run = [
      "run",
      "--snapshotter",
      "far-overlayfs",
      image,
      "c1",
      "sh",
      "-c",
      "echo hi; head -c 9000 /dev/zero >/f",
    ];
    expect(await ctr(...run)).toBe("hi\n");
    const list = await ctr(...snapshots, "ls");
    expect(list).toMatch(/^c1 +sha256:[0-9a-f]{64} +Active/m);
    const info = await ctr(...snapshots, "info", "c1");
    expect(JSON.parse(info)).toMatchObject({ Kind: "Active", Name: "c1" });
    expect(info).not.toContain("gc.root");
    expect(await ctr(...snapshots, "tree")).toMatch(/^ sha256:[0-9a-f]{64}\n {2}\\_ c1$/m);
    expect(await ctr(...snapshots, "usage", "c1")).toMatch(/^c1 +[1-9]\d*\.\d KiB +\d+/m);
    expect(await ctr(...snapshots, "mounts", "/mnt", "c1")).toContain(daemon.root);
    await ctr(...snapshots, "label", "c1", "a=b");
    expect(JSON.parse(await ctr(...snapshots, "info", "c1"))).toMatchObject({ Labels: { a: "b" } });
    await ctr("containers", "rm", "c1");
    await ctr("run", "--rm", "--snapshotter", "far-overlayfs", image, "c2", "true");
    await collected();
    expect(await remoteKeys(root)).toEqual(keys);
  });

  test("a pull unpacks into the daemon, and once only", async () => {
    const layout = await busyboxLayout();
    await pushLayout(registry.host, "proxy/busybox", "latest", layout);
    const pulled = `${registry.host}/proxy/busybox:latest`;
    const pull = ["images", "pull", "--plain-http", "--snapshotter", "far-overlayfs", pulled];
    await ctr(...pull);
    const keys = await remoteKeys(root);
    expect(keys).toHaveLength(1);
    await ctr(...pull);
    expect(await remoteKeys(root)).toEqual(keys);
    await ctr("run", "--rm", "--snapshotter", "far-overlayfs", pulled, "c1", "true");
  });

  test("the daemon's own collector leaves what is ours", async () => {
    await ctr(...importWords, archive);
    const go = (...words: readonly string[]) => mustRun([goCtr, "--address", daemon.address, ...words]);
    await go("leases", "create", "--id", "gc");
    await go("leases", "rm", "--sync", "gc");
    await ctr("run", "--rm", "--snapshotter", "far-overlayfs", image, "c1", "true");
  });

  test("an active snapshot is committed, and stays for its image", async () => {
    await ctr(...snapshots, "prepare", "base-key");
    await ctr(...snapshots, "commit", "base", "base-key");
    expect(await ctr(...snapshots, "ls")).toMatch(/^base +Committed/m);
    const second = await tried(...snapshots, "commit", "base", "base-key");
    expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ctr: .*(already exists|not found)/) });
    await ctr(...snapshots, "rm", "base");
  });

  test("a daemon that is away is told of in one line with a hint; a removal still works and is made up for later", async () => {
    await ctr(...importWords, archive);
    await daemon.kill("SIGKILL");
    try {
      const words = [
        [...snapshots, "ls"],
        [...importWords, archive],
        ["run", "--rm", "--snapshotter", "far-overlayfs", image, "c1", "true"],
      ];
      for (const each of words.slice(0, 1).concat(words.slice(2))) oneLine(await tried(...each));
      await ctr("images", "rm", "--sync", image);
      oneLine(await tried(...(words[1] ?? [])));
    } finally {
      await daemon.restart();
    }
    expect(await remoteKeys(root)).not.toEqual([]);
  });

  function oneLine({ code, stderr }: Outcome): void {
    expect(code).toBe(1);
    expect(stderr).toMatch(/ctr: .*cannot reach the snapshotter's daemon \(snapshotter far-overlayfs, address [^)]*\)/);
    expect(
      stderr
        .trimEnd()
        .split("\n")
        .filter((line) => line.startsWith("ctr: ")),
    ).toHaveLength(1);
    expect(stderr).not.toMatch(/^ +at /m);
  }
});

test.each(["proxy.making", "proxy.made", "proxy.committing", "proxy.committed", "gc.proxies", "gc.proxy-removed"])(
  "C3: a command that is killed at %s leaves nothing in the daemon that is not collected, and its repeat succeeds",
  async (point) => {
    const root = await newRoot(`kill-${point}`);
    const ctr = (words: readonly string[], env = {}) =>
      run([crashCtr, "--address", `embedded://${root}`, ...words], { env });
    try {
      const dies = { CTR_FAILPOINT: `${point}:kill` };
      const words = [...importWords, archive];
      if (point.startsWith("gc.")) {
        expect(await ctr(words)).toMatchObject({ code: 0 });
        expect(await ctr(["images", "rm", "--sync", image], dies)).toMatchObject({ code: 137 });
      } else {
        expect(await ctr(words, dies)).toMatchObject({ code: 137 });
        expect(await ctr(words)).toMatchObject({ code: 0 });
        expect(await ctr(["run", "--rm", "--snapshotter", "far-overlayfs", image, "c", "true"])).toMatchObject({
          code: 0,
        });
        expect(await ctr(["images", "rm", "--sync", image])).toMatchObject({ code: 0 });
      }
      await ctr(["leases", "create", "--id", "gc"]);
      // Two days on: what a killed command fetched is not waited for any more.
      expect(await ctr(["leases", "rm", "--sync", "gc"], { CTR_CLOCK_SHIFT: "172800" })).toMatchObject({ code: 0 });
      expect(await remoteKeys(root)).toEqual([]);
      using db = new Database(join(root, "meta.db"), { readonly: true });
      expect(db.query("SELECT backend, state FROM proxied_snapshots").all()).toEqual([]);
    } finally {
      await forgetStore(root);
    }
  },
);
