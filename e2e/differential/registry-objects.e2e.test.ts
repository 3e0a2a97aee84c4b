import { afterAll, beforeAll, expect, test } from "bun:test";
import { ourCtr } from "../support/binaries.ts";
import { busyboxLayout, type Layout, nginxLayout, pushLayout, readBlob, sha256 } from "../support/images.ts";
import { run } from "../support/process.ts";
import { type PrivateRegistry, startRegistry } from "../support/registry.ts";
import { goNamespace, ourNamespace, records } from "./harness.ts";
import { busybox, nginx, sharedArena } from "./setup.ts";

/** Commands that move single objects between store and registry, and those that prune. */
const arena = sharedArena();
let registry: PrivateRegistry;
let layout: Layout;
beforeAll(async () => {
  [registry, layout] = await Promise.all([startRegistry(), nginxLayout(), arena.open()]);
  await pushLayout(registry.host, "lib/nginx", "1", layout);
  await pushLayout(registry.host, "lib/busybox", "1", await busyboxLayout());
});
afterAll(async () => {
  await arena.close();
  await registry[Symbol.asyncDispose]();
});

test("content fetch-object: what a tag or a digest names, and what it does not", async () => {
  const { pair } = arena.now;
  const { host } = registry;
  const fetchObject = ["content", "fetch-object", "--plain-http"];
  const { ours } = await pair.step({ argv: [...fetchObject, `${host}/lib/nginx:1`] });
  expect(sha256(Buffer.from(ours.stdout))).toBe(layout.target.digest);
  await pair.step({ argv: [...fetchObject, `${host}/lib/nginx@${layout.target.digest}`] });
  for (const ref of [`${host}/lib/nginx:nosuch`, `${host}/nosuch:1`, ""]) {
    const both = await pair.step({ argv: [...fetchObject, ref], stdout: "failed" });
    // Ours begins with what was to be done, as Go's pull does.
    const said = both.theirs.stderr.trimEnd().split("\n").at(-1)?.slice("ctr: ".length) ?? "missing";
    expect(both.ours.stderr.split("\n")[0]).toEndWith(said);
  }
});

test("content push-object: one blob, once", async () => {
  const { pair } = arena.now;
  // A repository each: the second push finds what the first one left.
  const ref = `${registry.host}/mine/$NS:1`;
  const { layers } = JSON.parse(
    (await readBlob(await busyboxLayout(), (await busyboxLayout()).target.digest)).toString(),
  );
  const { digest, mediaType } = layers[0];
  const pushObject = ["content", "push-object", "--plain-http", ref, digest, mediaType];
  const { ours } = await pair.step({ argv: pushObject });
  expect(ours.stdout).toBe(`Pushed ${digest} ${mediaType}\n`);
  const again = await pair.step({ argv: pushObject, stdout: "failed" });
  expect(again.ours.stderr).toBe(`ctr: content ${digest} on remote: already exists\n`);
  const missing = digest.replace(/.$/, (last: string) => (last === "0" ? "1" : "0"));
  await pair.steps([
    { argv: ["content", "push-object", "--plain-http", ref, "nonsense", mediaType], stdout: "failed" },
    { argv: ["content", "push-object", "--plain-http", ref, missing, mediaType], stdout: "failed" },
  ]);
});

test("content fetch-blob: bytes of a layer from the registry, with no daemon at all", async () => {
  const { host } = registry;
  const image = JSON.parse((await readBlob(layout, layout.target.digest)).toString());
  const manifest = image.manifests[0].digest;
  const { config } = JSON.parse((await readBlob(layout, manifest)).toString());
  const ctr = (...words: readonly string[]) => run([ourCtr, "-a", "/nowhere.sock", "content", "fetch-blob", ...words]);
  const ref = `${host}/lib/nginx`;
  const both = await ctr("--plain-http", ref, config.digest, manifest);
  expect(both).toMatchObject({ code: 0, stderr: "" });
  const expected = Buffer.concat([await readBlob(layout, config.digest), await readBlob(layout, manifest)]);
  expect(both.stdout).toBe(expected.toString());
  const absent = await ctr("--plain-http", ref, `sha256:${"0".repeat(64)}`);
  expect(absent.code).toBe(1);
  expect(absent.stderr).toBe(`ctr: sha256:${"0".repeat(64)}: not found\n`);
  expect((await ctr("--plain-http", ref)).stderr).toBe("ctr: must specify digests\n");
  expect((await ctr("--plain-http", ref, "sha256:1")).stderr).toStartWith("ctr: invalid checksum digest length\n");
});

test("content prune references: layers go once only their manifest kept them", async () => {
  const { pair } = arena.now;
  // The same log as Go's, but for its order: a map's.
  const { ours, theirs } = await pair.step({ argv: ["content", "prune", "references", "--dry"] });
  const told = (text: string) =>
    [...text.matchAll(/msg="?(Removing label|dry run)[^\n]*?(?:digest="([^"]*)")?[^\n]*/g)].length;
  expect(told(ours.stderr)).toBeGreaterThan(1);
  expect(told(ours.stderr)).toBe(told(theirs.stderr));
  await pair.sameContent();
  await pair.step({ argv: ["content", "prune", "references"] });
  await pair.sameContent();
  const { stdout } = await pair.go(["content", "ls"], ourNamespace);
  expect(stdout).not.toContain("gc.ref.content.l.");
  await pair.sameState(records.leases, records.images);
});

test("images prune: nothing without --all; then all but what a container names", async () => {
  const { pair } = arena.now;
  await pair.prepare(["containers", "create", busybox, "user"]);
  const names = async () => (await pair.go(["images", "ls", "-q"], ourNamespace)).stdout.trim().split("\n");
  expect(await names()).toContain(nginx);
  const idle = await pair.ours(["images", "prune"]);
  expect(idle).toMatchObject({ code: 0, stdout: "" });
  expect(idle.stderr).toContain("No images pruned. `image prune` requires --all to be specified.");
  expect(await names()).toContain(nginx);
  const pruned = await pair.ours(["images", "prune", "--all"]);
  expect(pruned).toMatchObject({ code: 0, stdout: "" });
  expect(pruned.stderr).toContain(`deleted image: ${nginx}`);
  expect(await names()).toEqual([busybox]);
  expect((await pair.go(["images", "ls", "-q"], goNamespace)).stdout).toContain(nginx);
});
