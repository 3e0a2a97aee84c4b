import { afterAll, beforeAll, expect, test } from "bun:test";
import { ourNamespace, records } from "./harness.ts";
import { busybox, nginx, sharedArena } from "./setup.ts";

/** Both tools convert the same images; what comes of it has to be the same to the byte. */
const arena = sharedArena();
beforeAll(arena.open);
afterAll(arena.close);

/** docs/differences.md, convert-diff-id: Go's unpacks every layer to label it with its diff ID. */
const sideEffect = { withoutLabel: "containerd.io/uncompressed" };

const forms: readonly (readonly string[])[] = [
  ["--oci"],
  ["--uncompress"],
  ["--oci", "--uncompress"],
  ["--oci", "--all-platforms"],
  ["--oci", "--platform", "linux/arm64", "--platform", "linux/amd64"],
  ["--uncompress", "--platform", "linux/amd64"],
  ["--oci", "--platform", "linux/mips"],
  [],
];

test.each(forms.map((flags) => [flags]))("images convert %j: the same digests, labels and blobs", async (flags) => {
  const { pair } = arena.now;
  for (const [at, image] of [nginx, busybox].entries()) {
    await pair.step({ argv: ["images", "convert", ...flags, image, `docker.io/converted/${at}:1`] });
  }
  await pair.sameState(records.images, records.leases);
  await pair.sameContent(sideEffect);
  await pair.prepare(["images", "rm", "--sync", "docker.io/converted/0:1", "docker.io/converted/1:1"]);
});

test("images convert: over a name that is there, and onto the source itself", async () => {
  const { pair } = arena.now;
  await pair.prepare(["images", "tag", nginx, "docker.io/converted/there:1"]);
  await pair.step({ argv: ["images", "convert", "--oci", nginx, "docker.io/converted/there:1"] });
  await pair.step({
    argv: ["images", "convert", "--uncompress", "docker.io/converted/there:1", "docker.io/converted/there:1"],
  });
  await pair.sameState(records.images, records.leases);
  await pair.sameContent(sideEffect);
});

test("images convert: what is converted runs", async () => {
  const { pair } = arena.now;
  const converted = "docker.io/converted/runs:1";
  const plain = await pair.ours(["images", "convert", "--oci", "--uncompress", busybox, converted]);
  expect(plain.code).toBe(0);
  const { stdout } = await pair.go(["images", "check", `name==${converted}`], ourNamespace);
  expect(stdout).toContain("complete (2/2)");
  // The diff IDs are what they were, and so is the snapshot.
  const ran = await pair.ours(["run", "--rm", converted, "converted", "echo", "hello"]);
  expect(ran).toMatchObject({ code: 0, stdout: "hello\n" });
});

test("images convert: what cannot be converted", async () => {
  const { pair } = arena.now;
  for (const argv of [
    ["images", "convert"],
    ["images", "convert", nginx],
    ["images", "convert", "docker.io/no/such:1", "x:1"],
  ]) {
    const { ours, theirs } = await pair.step({ argv, stdout: "failed" });
    expect(ours.stderr.split("\n")[0]).toBe(theirs.stderr.trimEnd().split("\n").at(-1) ?? "");
  }
});
