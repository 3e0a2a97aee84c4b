import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goCtr, ourCtr } from "../support/binaries.ts";
import type { PrivateContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { dumpedFiles, type FakeCriu, makeFakeCriu } from "../support/fake-criu.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

/** Dumps in the engine's content store, by our own command in its process and by the Go tool over the socket. */
const image = "docker.io/library/busybox:latest";
let dir: string;
let daemon: PrivateContainerd;
let criu: FakeCriu;
const ours = (...words: readonly string[]) => mustRun([ourCtr, "--address", `embedded://${daemon.root}`, ...words]);
const theirs = (...words: readonly string[]) => mustRun([goCtr, "--address", daemon.address, ...words]);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-checkpoint-"));
  daemon = await startServe();
  criu = await makeFakeCriu(dir);
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await ours("images", "import", "--base-name", "docker.io/library/busybox", archive);
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const start = (id: string) => ours("run", "-d", "--null-io", "--runc-binary", criu.runc, image, id, "sleep", "1000");
async function end(id: string): Promise<void> {
  await ours("tasks", "rm", "--force", id);
  await ours("containers", "rm", id);
}

test("tasks checkpoint makes an image, as on containerd, and what the image kept goes with it", async () => {
  await start("c1");
  const before = (await ours("content", "ls", "-q")).split("\n").sort();
  const name = (await ours("tasks", "checkpoint", "c1")).trim();
  expect(name).toMatch(/^containerd\.io\/checkpoint\/c1:/);
  expect(await ours("tasks", "ls")).toMatch(/^c1 +\d+ +RUNNING$/m);
  const row = (await ours("images", "ls", `name==${name}`)).split("\n")[1]?.split(/\s+/) ?? [];
  const { manifests } = JSON.parse(await ours("content", "get", row[2] ?? ""));
  expect(manifests.map(({ mediaType }: { mediaType: string }) => mediaType)).toEqual([
    "application/vnd.containerd.container.criu.checkpoint.criu.tar",
    "application/vnd.containerd.container.checkpoint.config.v1+proto",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
  ]);
  expect(await ours("leases", "ls", "-q")).toBe("");
  await ours("images", "rm", "--sync", name);
  expect((await ours("content", "ls", "-q")).split("\n").sort()).toEqual(before);
  await end("c1");
});

test("the Go tool checkpoints a container on ctr serve, and restores it", async () => {
  await start("c2");
  await theirs("containers", "checkpoint", "--task", "--rw", "--image", "c2", "example.com/checkpoint:1");
  await end("c2");
  await theirs("containers", "restore", "--live", "--rw", "c3", "example.com/checkpoint:1");
  expect(await ours("tasks", "ls")).toMatch(/^c3 +[1-9]\d* +RUNNING$/m);
  expect(await criu.restored()).toEqual(dumpedFiles());
  await end("c3");
});
