import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mediaTypes, writeLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";
import { sharedBench } from "./setup.ts";

const bench = sharedBench("install");
let work: string;
beforeAll(async () => {
  await bench.open();
  work = await mkdtemp(join(tmpdir(), "ctr-install-"));
  const [base, later] = [join(work, "base"), join(work, "later")];
  for (const dir of ["bin", "lib", "etc", "bin/deep"]) await mkdir(join(base, dir), { recursive: true });
  await mkdir(join(later, "bin"), { recursive: true });
  await writeFile(join(base, "bin/tool"), "#!/bin/sh\necho tool\n");
  await chmod(join(base, "bin/tool"), 0o755);
  await writeFile(join(base, "bin/old"), "old");
  await symlink("tool", join(base, "bin/alias"));
  await symlink("/etc/passwd", join(base, "bin/out"));
  await writeFile(join(base, "bin/deep/file"), "too deep");
  await writeFile(join(base, "lib/libx.so"), "library");
  await writeFile(join(base, "etc/passwd"), "not this one");
  await writeFile(join(later, "bin/more"), "more");
  const dir = await writeLayout(await mkdtemp(join(work, "layout-")), mediaTypes.oci, [
    { os: "linux", architecture: "amd64", layers: [base, later], config: {} },
  ]);
  const archive = join(work, "tools.tar");
  await mustRun(["tar", "-C", dir, "-cf", archive, "blobs", "index.json", "oci-layout"]);
  await bench.now.line(["images", "import", "--base-name", "docker.io/library/tools", archive]);
});
afterAll(async () => {
  await bench.close();
  await rm(work, { recursive: true, force: true });
});
const image = "docker.io/library/tools:latest";

/** Every file below a directory: mode, owner, and content or target. */
async function treeOf(dir: string): Promise<Readonly<Record<string, string>>> {
  const tree: Record<string, string> = {};
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    const path = join(dir, name);
    const stat = await lstat(path);
    if (stat.isDirectory()) continue;
    const content = stat.isSymbolicLink() ? `-> ${await readlink(path)}` : await readFile(path, "utf8");
    tree[name] = `${stat.isSymbolicLink() ? "" : (stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${content}`;
  }
  return tree;
}

test("install: the files of bin, with mode and owner, as the Go tool writes them", async () => {
  const [ours, theirs] = [join(work, "ours"), join(work, "theirs")];
  for (const dir of [ours, theirs]) await mkdir(dir);
  expect(await bench.now.line(["install", "--path", ours, image])).toBe("");
  expect((await bench.now.go(["install", "--path", theirs, image])).code).toBe(0);
  const tree = await treeOf(ours);
  expect(tree).toEqual(await treeOf(theirs));
  expect(Object.keys(tree)).toEqual(["bin/alias", "bin/more", "bin/old", "bin/out", "bin/tool"]);
  expect(tree["bin/tool"]).toStartWith("755 0:0 #!/bin/sh");
});

test("install --libs: those of lib, too", async () => {
  const path = join(work, "libs");
  await bench.now.line(["install", "--libs", "--path", path, image]);
  expect((await treeOf(path))["lib/libx.so"]).toContain("library");
});

test("install: a file that is there is replaced only with --replace, and nothing is written through a link", async () => {
  const path = join(work, "there");
  await mkdir(join(path, "bin"), { recursive: true });
  await writeFile(join(work, "elsewhere"), "mine");
  await symlink(join(work, "elsewhere"), join(path, "bin/tool"));
  const refused = await bench.now.ctr(["install", "--path", path, image]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toStartWith(`ctr: cannot replace bin/tool in ${path}\nhint: `);
  expect(await readlink(join(path, "bin/tool"))).toBe(join(work, "elsewhere"));
  await bench.now.line(["install", "-r", "--path", path, image]);
  expect((await treeOf(path))["bin/tool"]).toContain("echo tool");
  expect(await readFile(join(work, "elsewhere"), "utf8")).toBe("mine");
});

test("install: what is missing is said", async () => {
  const { ctr, go } = bench.now;
  for (const words of [["install"], ["install", image]]) {
    const [ours, theirs] = [await ctr(words), await go(words)];
    expect(ours).toMatchObject({ code: 1, stdout: "" });
    expect(ours.stderr.split("\n")[0]).toBe(theirs.stderr.trimEnd());
  }
});
