import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { archiveOf, busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, type Outcome, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** The uid and gid that Debian calls nobody and nogroup. */
const NOBODY = 65534;
let dir: string;
let registry: PrivateRegistry;
let image: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-nobody-"));
  await chmod(dir, 0o755);
  // The checkout may lie where nobody may look.
  await copyFile(ourCtr, join(dir, "ctr"));
  await chmod(join(dir, "ctr"), 0o755);
  await mkdir(join(dir, "home"));
  await chown(join(dir, "home"), NOBODY, NOBODY);
  registry = await startRegistry();
  const layout = await busyboxLayout();
  await pushLayout(registry.host, "library/busybox", "latest", layout);
  await archiveOf(layout, join(dir, "home/busybox.tar"));
  await chmod(join(dir, "home/busybox.tar"), 0o644);
  image = `${registry.host}/library/busybox:latest`;
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** A command of ours as nobody, with nothing in the environment but a home. */
function asNobody(...words: readonly string[]): Promise<Outcome> {
  const user = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const environment = ["env", "-i", `HOME=${join(dir, "home")}`, "PATH=/usr/bin:/bin", "CONTAINERD_ADDRESS=embedded"];
  return run([...user, ...environment, join(dir, "ctr"), ...words], { cwd: join(dir, "home") });
}

async function line(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await asNobody(...words);
  expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
  return stdout;
}

test("an ordinary user pulls and unpacks with the copying snapshotter, into a store of his own", async () => {
  await line("images", "pull", "--plain-http", image);
  expect(await line("images", "ls", "-q")).toBe(`${image}\n`);
  expect(await line("snapshots", "ls")).toContain("Committed");
  const store = join(dir, "home/.local/share/ctr");
  const { uid, mode } = await stat(store);
  expect({ uid, mode: mode & 0o777 }).toEqual({ uid: NOBODY, mode: 0o700 });
  const tree = join(store, "io.containerd.snapshotter.v1.native/snapshots/1/bin/busybox");
  expect((await stat(tree)).uid).toBe(NOBODY);
});

test("he pushes, exports, imports, tags, labels and removes", async () => {
  await line("images", "push", "--plain-http", `${registry.host}/mine/busybox:1`, image);
  const archive = join(dir, "home/export.tar");
  await line("images", "export", archive, image);
  expect((await readFile(archive)).byteLength).toBeGreaterThan(500_000);
  await line("-n", "other", "images", "import", archive);
  expect(await line("-n", "other", "images", "ls", "-q")).toBe(`${image}\n`);
  await line("images", "tag", image, "example.com/mine:1");
  await line("images", "label", "example.com/mine:1", "a=b");
  await line("images", "rm", "--sync", "example.com/mine:1");
  await line("images", "import", "--base-name", "example.com/busybox", join(dir, "home/busybox.tar"));
  expect(await line("images", "check", "-q")).toContain("example.com/busybox:latest");
});

test("he ingests, lists, reads and verifies content", async () => {
  const digests = (await line("content", "ls", "-q")).trim().split("\n");
  expect(digests.length).toBeGreaterThan(2);
  const text = await line("content", "get", digests[0] ?? "");
  expect(text.length).toBeGreaterThan(0);
  expect(await line("content", "verify")).toBe(`${digests.length} blobs checked, 0 damaged\n`);
  await line("leases", "create", "--id", "his");
  expect(await line("leases", "ls", "-q")).toContain("his");
});

test("run says that it needs root, and leaves nothing", async () => {
  const { code, stderr } = await asNobody("run", "--rm", image, "c", "true");
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^ctr: .*running containers needs root, this is uid 65534: permission denied\nhint: run the command with sudo/,
  );
  expect(await line("containers", "ls", "-q")).toBe("");
});

test("root's own store, and another user's, are not his to open", async () => {
  const theirs = join(dir, "roots");
  await mustRun([ourCtr, "--address", `embedded://${theirs}`, "namespaces", "ls"]);
  const { code, stderr } = await asNobody("--address", `embedded://${theirs}`, "namespaces", "ls");
  expect(code).toBe(1);
  expect(stderr).toContain("permission denied");
  const his = join(dir, "home/.local/share/ctr");
  const asRoot = await run([ourCtr, "--address", `embedded://${his}`, "namespaces", "ls"]);
  expect(asRoot.code).toBe(1);
  expect(asRoot.stderr).toContain("it belongs to uid 65534, this is uid 0");
});
