import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { mediaTypes, pushLayout, writeLayout } from "../support/images.ts";
import { peakOf } from "../support/memory.ts";
import { mustRun } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";

const MIB = 1024 * 1024;
/** Bytes that a pull may hold at its peak, whatever the image's size. */
const MAX_RSS = 300 * MIB;

test("a pull of a 1 GB image stays below 300 MB of memory", async () => {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry());
  const dir = await mkdtemp(join(tmpdir(), "ctr-memory-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const layers = ["one", "two", "three", "four"].map((name) => join(dir, "layers", name));
  // Three quarters of each layer compress to next to nothing, a quarter does not compress at all.
  for (const layer of layers) {
    await mustRun([
      "sh",
      "-c",
      `mkdir -p ${layer} && head -c 192M /dev/zero >${layer}/zero-$(basename ${layer}) && head -c 64M /dev/urandom >${layer}/random-$(basename ${layer})`,
    ]);
  }
  const image = { os: "linux", architecture: "amd64", layers, config: { Cmd: ["true"] } };
  const layoutDir = await writeLayout(dir, mediaTypes.oci, [image], "large");
  const { manifests } = await Bun.file(join(layoutDir, "index.json")).json();
  await pushLayout(registry.host, "large", "latest", { dir: layoutDir, target: manifests[0] });
  await rm(join(dir, "layers"), { recursive: true });

  const root = join(dir, "root");
  stack.defer(() => forgetStore(root));
  const argv = [
    ourCtr,
    "--address",
    `embedded://${root}`,
    "images",
    "pull",
    "--plain-http",
    `${registry.host}/large:latest`,
  ];
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  const [code, peak] = await Promise.all([child.exited, peakOf(child)]);
  expect(code).toBe(0);
  expect(peak).toBeLessThan(MAX_RSS);
  expect(peak).toBeGreaterThan(20 * MIB);
}, 300_000);
