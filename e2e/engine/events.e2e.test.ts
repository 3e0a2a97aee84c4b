import { test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, waitForLine } from "../support/process.ts";

test("ctr events without a daemon hears what other commands do, and of exits that no command waits for", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-events-"));
  const root = join(dir, "root");
  const command = (...words: readonly string[]) => [ourCtr, "--address", `embedded://${root}`, ...words];
  const archive = join(dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await mustRun(command("images", "import", "--base-name", "docker.io/library/busybox", archive));
  const follower = Bun.spawn([...command("events")], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  try {
    const [first, second] = follower.stdout.tee();
    const exited = waitForLine(first, / default \/tasks\/exit .*"container_id":"short".*\n/, "ctr events");
    let listening = false;
    const heard = waitForLine(second, /\/namespaces\/\w+ .*\n/, "ctr events").then(() => {
      listening = true;
    });
    // Nothing tells when it listens but that it hears.
    for (let turn = 0; !listening; turn++) await mustRun(command("namespaces", "label", "poked", `turn=${turn}`));
    await heard;
    await mustRun(command("run", "-d", "docker.io/library/busybox:latest", "short", "sleep", "0.3"));
    await exited;
  } finally {
    follower.kill("SIGINT");
    await follower.exited;
    await forgetStore(root);
    await rm(dir, { recursive: true, force: true });
  }
});
