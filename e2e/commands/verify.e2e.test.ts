import { expect, test } from "bun:test";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crashCtr } from "../crash/crash-store.ts";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { run } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { checkStore } from "../support/store-check.ts";

/** A store with one image pulled from a registry, both gone with the stack. */
async function openPulled() {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry());
  const dir = await mkdtemp(join(tmpdir(), "ctr-verify-"));
  const root = join(dir, "root");
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  stack.defer(() => forgetStore(root));
  await pushLayout(registry.host, "library/busybox", "latest", await busyboxLayout());
  const ctr = (...words: readonly string[]) => run([ourCtr, "--address", `embedded://${root}`, ...words]);
  const image = `${registry.host}/library/busybox:latest`;
  expect(await ctr("images", "pull", "--plain-http", image)).toMatchObject({ code: 0 });
  const digests = (await ctr("content", "ls", "-q")).stdout.trim().split("\n");
  const blobPath = (digest: string) =>
    join(root, "io.containerd.content.v1.content/blobs/sha256", digest.replace("sha256:", ""));
  const crash = (words: readonly string[], env: Readonly<Record<string, string>>) =>
    run([crashCtr, "--address", `embedded://${root}`, ...words], { env });
  return { stack: stack.move(), registry, ctr, crash, root, digests, blobPath };
}

test("C8: ctr content verify finds damaged and missing blobs, and --repair fetches them again", async () => {
  const { stack, ctr, digests, blobPath } = await openPulled();
  await using _stack = stack;
  expect(await ctr("content", "verify")).toEqual({
    code: 0,
    stdout: `${digests.length} blobs checked, 0 damaged\n`,
    stderr: "",
  });
  const [damaged = "", missing = ""] = digests;
  const good = await readFile(blobPath(damaged));
  await chmod(blobPath(damaged), 0o644);
  await writeFile(blobPath(damaged), Buffer.alloc(good.byteLength));
  await rm(blobPath(missing));
  const found = await ctr("content", "verify");
  expect(found.code).toBe(1);
  expect(found.stdout).toContain(`${damaged}: damaged: its bytes have the digest`);
  expect(found.stdout).toContain(`${missing}: damaged: `);
  expect(found.stderr).toContain("hint: fetch them again with --repair");
  const repaired = await ctr("content", "verify", "--repair", "--plain-http");
  expect(repaired).toMatchObject({ code: 0, stderr: "" });
  expect(repaired.stdout).toContain(`${damaged}: repaired from 127.0.0.1`);
  expect(await readFile(blobPath(damaged))).toEqual(good);
  expect(await ctr("content", "verify", missing)).toMatchObject({ code: 0, stdout: "1 blobs checked, 0 damaged\n" });
});

test("ctr content verify --repair says what it cannot repair", async () => {
  const { stack, registry, ctr, digests, blobPath } = await openPulled();
  await using _stack = stack;
  await rm(blobPath(digests[0] ?? ""));
  await registry.kill("SIGTERM");
  const refused = await run([ourCtr, "--address", "/nowhere/c.sock", "content", "verify", "--repair"]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("containerd has no way to replace the bytes of a blob");
  const outcome = await ctr("content", "verify", "--repair", digests[0] ?? "");
  expect(outcome.code).toBe(1);
  expect(outcome.stdout).toContain("not repaired: ");
});

test.each(["replace.written", "replace.renamed"])(
  "C3, C8: a repair of blobs killed at %s is finished by the next",
  async (step) => {
    const { stack, ctr, crash, root, digests, blobPath } = await openPulled();
    await using _stack = stack;
    for (const digest of digests) await rm(blobPath(digest));
    const words = ["content", "verify", "--repair", "--plain-http"];
    expect((await crash(words, { CTR_FAILPOINT: `${step}:kill:2` })).code).toBe(137);
    const repaired = await ctr(...words);
    expect(repaired).toMatchObject({ code: 0, stderr: "" });
    expect(repaired.stdout).toContain(": repaired from ");
    expect(await ctr("content", "verify")).toMatchObject({ code: 0 });
    await ctr("leases", "create", "--id", "gc");
    await ctr("leases", "rm", "--sync", "gc");
    expect(checkStore(root)).toMatchObject({ problems: [], garbage: [] });
  },
);
