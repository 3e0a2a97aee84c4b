import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore, stateOf } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, run, waitForLine } from "../support/process.ts";

test("content prune references --async: the collection is not waited for, without it is", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-prune-"));
  const root = join(dir, "root");
  const command = (...words: readonly string[]) => [ourCtr, "--address", `embedded://${root}`, ...words];
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await mustRun(command("images", "import", "--base-name", "docker.io/library/busybox", archive));
  const blobs = async () => (await mustRun(command("content", "ls", "-q"))).trim().split("\n").length;
  const before = await blobs();
  // Somebody else collects, for as long as the test wants.
  const lock = join(stateOf(root), "locks/gc");
  const collector = Bun.spawn(["flock", lock, "sh", "-c", "echo held; cat"], { stdin: "pipe", stdout: "pipe" });
  try {
    await waitForLine(collector.stdout, /held\n/, "flock");
    const waited = await run(command("--timeout", "2s", "content", "prune", "references"));
    expect(waited.code).toBe(1);
    expect(waited.stderr).toContain("deadline exceeded");
    expect(await run(command("content", "prune", "references", "--async"))).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(await blobs()).toBe(before);
    await collector.stdin.end();
    await collector.exited;
    await mustRun(command("content", "prune", "references"));
    expect(await blobs()).toBeLessThan(before);
  } finally {
    collector.kill();
    await forgetStore(root);
    await rm(dir, { recursive: true, force: true });
  }
});
