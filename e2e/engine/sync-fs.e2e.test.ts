import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { archiveOf, busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";

/** What `--sync-fs` is for shows only where power is cut; that it is done shows in the system calls. */
let work = "";
let registry: PrivateRegistry;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "ctr-e2e-sync-"));
  registry = await startRegistry();
  await archiveOf(await busyboxLayout(), join(work, "busybox.tar"));
  await pushLayout(registry.host, "lib/busybox", "1", await busyboxLayout());
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await rm(work, { recursive: true, force: true });
});

const image = "docker.io/library/busybox:latest";
const importing = (...flags: readonly string[]) => {
  const base = ["--base-name", "docker.io/library/busybox"];
  return ["images", "import", "--local", ...flags, ...base, join(work, "busybox.tar")];
};

/** Commands that unpack, each with where its flags go. */
const commands: readonly (readonly [string, (flags: readonly string[], digest: string) => readonly string[]])[] = [
  ["images import", (flags) => importing(...flags)],
  ["images pull", (flags) => ["images", "pull", "--local", ...flags, `${registry.host}/lib/busybox:1`]],
  ["images mount", (flags) => ["images", "mount", ...flags, image, join(work, "mounted")]],
  ["run", (flags) => ["run", "--rm", ...flags, image, "synced", "true"]],
  ["snapshots unpack", (flags, digest) => ["snapshots", "unpack", ...flags, digest]],
];

test.each(commands)("%s --sync-fs: what was unpacked is brought to disk once more", async (name, words) => {
  const counts: number[] = [];
  await mkdir(join(work, "mounted"), { recursive: true });
  for (const flags of [[], ["--sync-fs"]]) {
    const root = await mkdtemp(join(work, "store-"));
    const command = (...argv: readonly string[]) => [ourCtr, "--address", `embedded://${root}`, ...argv];
    try {
      // Packed, so that the command has something to unpack.
      if (name !== "images import") await mustRun(command(...importing("--no-unpack")));
      const digest = /sha256:[0-9a-f]{64}/.exec(await mustRun(command("images", "ls")))?.[0] ?? "";
      const log = join(root, "calls");
      const traced = ["strace", "-f", "-e", "trace=syncfs", "-o", log, ...command(...words(flags, digest))];
      expect(await run(traced)).toMatchObject({ code: 0, stderr: "" });
      counts.push((await readFile(log, "utf8")).split("\n").filter((line) => line.includes("syncfs(")).length);
    } finally {
      await run(["umount", join(work, "mounted")]);
      await forgetStore(root);
    }
  }
  const [without = 0, withFlag = 0] = counts;
  expect(withFlag).toBeGreaterThan(without);
});
