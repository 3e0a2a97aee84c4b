import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedBench } from "../commands/setup.ts";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { makeFakeCriu } from "../support/fake-criu.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** A container moves: checkpointed on a containerd, pushed, and restored by an embedded engine that never saw it. */
const bench = sharedBench("checkpoint-moves");
let registry: PrivateRegistry;
let programs = "";
let root = "";
beforeAll(async () => {
  programs = await mkdtemp(join(tmpdir(), "ctr-e2e-criu-"));
  root = join(programs, "store");
  await makeFakeCriu(programs);
  [registry] = await Promise.all([startRegistry(), bench.open({ programs })]);
  await pushLayout(registry.host, "lib/busybox", "1", await busyboxLayout());
});
afterAll(async () => {
  await bench.close();
  await registry?.[Symbol.asyncDispose]();
  await forgetStore(root);
  await rm(programs, { recursive: true, force: true });
});

async function embedded(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run([ourCtr, "--address", `embedded://${root}`, ...words]);
  expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
  return stdout;
}

async function end(id: string): Promise<void> {
  // Its exit code, which is that of a kill, is warned of.
  await run([ourCtr, "--address", `embedded://${root}`, "tasks", "rm", "-f", id]);
  await embedded("containers", "rm", id);
}

test("R19: a checkpoint that is fetched is restored, and no image is made of it", async () => {
  const { line } = bench.now;
  const image = `${registry.host}/lib/busybox:1`;
  const moved = `${registry.host}/lib/moved:1`;
  await line(["images", "pull", "--plain-http", image]);
  await line(["run", "-d", "--null-io", image, "mover", "sleep", "1000"]);
  await line(["tasks", "exec", "--exec-id", "write", "mover", "sh", "-c", "echo made >/made"]);
  await line(["containers", "checkpoint", "--task", "--rw", "--image", "mover", moved]);
  await line(["images", "push", "--plain-http", moved]);
  await bench.now.ctr(["tasks", "rm", "-f", "mover"]);
  await line(["containers", "rm", "mover"]);
  await embedded("images", "pull", "--plain-http", "--local", image);
  const images = await embedded("images", "ls");
  await embedded("containers", "restore", "--rw", "mover", moved);
  expect(await embedded("images", "ls")).toBe(images);
  expect(await embedded("tasks", "exec", "--exec-id", "read", "mover", "cat", "/made")).toBe("made\n");
  expect(await embedded("leases", "ls", "-q")).toBe("");
  await end("mover");
  // Nothing keeps what was fetched.
  await embedded("images", "rm", "--sync", image);
  expect(await embedded("content", "ls", "-q")).toBe("");
});

test("containers checkpoint on the embedded engine: image, and what was written", async () => {
  const image = `${registry.host}/lib/busybox:1`;
  await embedded("images", "pull", "--plain-http", "--local", image);
  await embedded("run", "-d", "--null-io", image, "kept", "sleep", "1000");
  await embedded("tasks", "exec", "--exec-id", "write", "kept", "sh", "-c", "echo made >/made");
  await embedded("containers", "checkpoint", "--image", "--rw", "kept", "kept:1");
  const inspected = await embedded("images", "inspect", "kept:1");
  expect(inspected).toContain("checkpoint.runtime.options+proto");
  expect(inspected).toContain("application/vnd.oci.image.manifest.v1+json");
  // The last of the index's own.
  const layer = /^ *└── .*layer\.v1\.tar\+gzip @(sha256:[0-9a-f]{64}) /m.exec(inspected)?.[1] ?? "";
  const tar = Bun.spawnSync(["tar", "-tz"], { stdin: await blobOf(layer) });
  expect(tar.stdout.toString().split("\n")).toContain("made");
  expect(await embedded("tasks", "ls")).toMatch(/^kept +\d+ +RUNNING$/m);
  await end("kept");
});

async function blobOf(digest: string): Promise<Uint8Array> {
  const file = join(programs, "layer");
  const ctr = Bun.spawn([ourCtr, "--address", `embedded://${root}`, "content", "get", digest], {
    stdout: Bun.file(file),
  });
  expect(await ctr.exited).toBe(0);
  return await Bun.file(file).bytes();
}
