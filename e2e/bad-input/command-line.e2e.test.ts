import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, type RunOptions, run, waitForLine } from "../support/process.ts";

const image = "docker.io/library/busybox:latest";
let daemon: PrivateContainerd;
beforeAll(async () => {
  daemon = await startContainerd();
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await mustRun(["ctr", "-a", daemon.address, "i", "import", "--base-name", "docker.io/library/busybox", archive]);
  // What the import leaves for collection goes now, not in the middle of a test.
  await mustRun(["ctr", "-a", daemon.address, "i", "tag", image, "gone:1"]);
  await mustRun(["ctr", "-a", daemon.address, "i", "rm", "--sync", "gone:1"]);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const ctr = (words: readonly string[], options: RunOptions = {}) =>
  run([ourCtr, "-a", daemon.address, ...words], options);

/** What the daemon holds, so that a failing command can be seen to leave nothing behind. */
async function everything(): Promise<string> {
  const views = [
    ["c", "ls"],
    ["t", "ls"],
    ["i", "ls"],
    ["snapshots", "ls"],
    ["leases", "ls"],
    ["content", "ls", "-q"],
    ["content", "active"],
    ["ns", "ls"],
  ];
  const texts = await Promise.all(views.map((view) => mustRun(["ctr", "-a", daemon.address, ...view])));
  return texts.join("\n");
}

/** One line `ctr: …`, at most one `hint: …`, and no stack trace. */
function isClear(stderr: string): void {
  const lines = stderr.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^ctr: \S/);
  expect(lines.slice(1).filter((line) => !line.startsWith("hint: "))).toEqual([]);
  expect(lines.length).toBeLessThanOrEqual(2);
  expect(stderr).not.toMatch(/\n\s+at |Error:|\$bunfs/);
}

test.each([
  ["a malformed reference", ["i", "pull", "not a reference"], /invalid reference|object required|reference/],
  ["a reference without a tag", ["i", "pull", "docker.io/library/busybox"], /object required/],
  ["a malformed digest", ["content", "get", "sha256:xyz"], /invalid checksum digest/],
  ["a malformed platform", ["i", "pull", "--platform", "linux/amd64/v8/x", image], /platform|linux\/amd64\/v8\/x/],
  ["a malformed mount", ["run", "--mount", "dst", image, "x"], /mount/],
  ["an unknown mount option", ["run", "--mount", "type=bind,foo=bar", image, "x"], /foo/],
  ["a missing env file", ["run", "--env-file", "/no/such/env", image, "x"], /\/no\/such\/env/],
  ["a capability without prefix", ["run", "--cap-add", "SYS_ADMIN", image, "x"], /CAP_/],
  ["a user that is not there", ["run", "--user", "nosuch", image, "x"], /no users found/],
  ["a missing image", ["run", "nosuch:latest", "x"], /image "nosuch:latest": not found/],
  ["a bad id", ["run", image, "bad/id"], /bad\/id/],
  ["a command that is not there", ["run", "--rm", image, "x", "nosuch"], /nosuch/],
  ["a directory that is no rootfs", ["run", "--rm", "--rootfs", "/no/such/dir", "x", "true"], /no such|rootfs|not/],
  ["no arguments to run", ["run"], /image ref must be provided/],
  ["no id to run", ["run", image], /container id must be provided/],
  ["detach with rm", ["run", "-d", "--rm", image, "x"], /detach and --rm/],
  ["a terminal without one", ["run", "--rm", "-t", image, "x", "true"], /terminal/],
  ["an unknown task", ["t", "kill", "nosuch"], /nosuch/],
  ["an unknown signal", ["t", "kill", "-s", "FOO", "nosuch"], /nosuch|FOO/],
  ["a namespace with a slash", ["-n", "bad/ns", "i", "ls"], /bad\/ns/],
  ["a snapshotter that is not there", ["run", "--snapshotter", "nosuch", image, "x"], /nosuch/],
  ["a directory for an archive", ["i", "import", "/tmp"], /^ctr: read \/tmp: is a directory\n/],
  ["a directory to export into", ["i", "export", "/tmp", image], /^ctr: open \/tmp: is a directory\n/],
  ["a directory for a config", ["run", "--config", "/tmp", "x"], /read \/tmp: is a directory/],
  ["a directory for an env file", ["run", "--env-file", "/tmp", image, "x"], /read \/tmp: is a directory/],
  ["an empty digest", ["content", "get", "sha256:"], /invalid checksum digest format/],
  ["a bad filter", ["i", "ls", "name="], /^ctr: failed to list images: .*: invalid argument\n/],
  ["a wrong number of arguments", ["snapshots", "commit", "one"], /must be given/],
])("%s: one clear line, exit 1, nothing left behind", async (_what, words, says) => {
  const before = await everything();
  const outcome = await ctr(words);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(says);
  isClear(outcome.stderr);
  expect(await everything()).toBe(before);
});

test.each([
  ["an unknown command", ["bogus"]],
  ["an unknown member of a group", ["images", "bogus"]],
])("%s: exit 3", async (_what, words) => {
  const outcome = await ctr(words);
  expect(outcome.code).toBe(3);
  expect(outcome.stderr).toContain("No help topic for 'bogus'");
});

test.each([
  ["an unknown flag", ["images", "ls", "--bogus"], "flag provided but not defined: -bogus"],
  ["a flag without its value", ["images", "pull", "--platform"], "flag needs an argument: -platform"],
  [
    "a bad number",
    ["run", "--memory-limit", "many", image, "x"],
    'invalid value "many" for flag -memory-limit: parse error',
  ],
  ["a bad duration", ["--timeout", "5", "images", "ls"], 'invalid value "5" for flag -timeout: parse error'],
])("%s: the help on stdout, the fault on stderr, exit 1", async (_what, words, fault) => {
  const outcome = await ctr(words);
  expect(outcome.code).toBe(1);
  expect(outcome.stdout).toStartWith(`Incorrect Usage: ${fault}\n`);
  expect(outcome.stderr).toStartWith(`ctr: ${fault}\n`);
});

test("an id in use: already exists, and what is there stays", async () => {
  await mustRun([ourCtr, "-a", daemon.address, "c", "create", image, "taken"]);
  const before = await everything();
  const outcome = await ctr(["run", image, "taken", "true"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^ctr: .*"taken": already exists\n/);
  isClear(outcome.stderr);
  expect(await everything()).toBe(before);
  await mustRun([ourCtr, "-a", daemon.address, "c", "rm", "taken"]);
});

test("a failed create does not stand in the way of the next one", async () => {
  expect((await ctr(["run", "--rm", "--runtime", "io.containerd.nosuch.v2", image, "again", "true"])).code).toBe(1);
  expect((await ctr(["c", "create", "--user", "nosuch", image, "again"])).code).toBe(1);
  expect(await ctr(["run", "--rm", image, "again", "echo", "fine"])).toMatchObject({ code: 0, stdout: "fine\n" });
});

test("no daemon: the Go ctr's words, at once, and a hint", async () => {
  const outcome = await run([ourCtr, "-a", "/no/such.sock", "images", "ls"], { timeoutMs: 5000 });
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toStartWith(
    "ctr: cannot access socket /no/such.sock: stat /no/such.sock: no such file or directory\n",
  );
  isClear(outcome.stderr);
});

test("a socket nobody listens on: refused, at once", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-dead-"));
  const path = join(dir, "s");
  // A socket file whose owner is gone: bound, then killed before it could tidy up.
  const owner = Bun.spawn(
    [process.execPath, "-e", `Bun.listen({ unix: "${path}", socket: { data() {} } }); console.log("up")`],
    { stdout: "pipe" },
  );
  await waitForLine(owner.stdout, /up/, "the owner of the socket");
  owner.kill("SIGKILL");
  await owner.exited;
  const outcome = await run([ourCtr, "-a", path, "images", "ls"], { timeoutMs: 5000 });
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain("connection refused");
  isClear(outcome.stderr);
  await rm(dir, { recursive: true });
});

test("a socket of root's: permission denied and what to do", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-user-"));
  await chmod(dir, 0o755);
  await chmod(daemon.dir, 0o755);
  const copy = join(dir, "ctr");
  await mustRun(["cp", ourCtr, copy]);
  const outcome = await run([
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    copy,
    "-a",
    daemon.address,
    "images",
    "ls",
  ]);
  await chmod(daemon.dir, 0o700);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain("permission denied");
  expect(outcome.stderr).toContain("hint: ");
  isClear(outcome.stderr);
  await rm(dir, { recursive: true });
});

test("a reader that goes away: no error, no trace", async () => {
  const outcome = await run([
    "sh",
    "-c",
    `${ourCtr} --help | head -n 1; ${ourCtr} -a ${daemon.address} run --rm ${image} pipe yes | head -n 1`,
  ]);
  expect(outcome.stdout).toBe("NAME:\ny\n");
  expect(outcome.stderr).not.toMatch(/\n\s+at |EPIPE/);
});

test("a directory on stdin: the process sees the end, and the fault is told", async () => {
  const words = [ourCtr, "-a", daemon.address, "run", "--rm", image, "dir", "cat"].map((word) => `'${word}'`);
  const outcome = await run(["sh", "-c", `${words.join(" ")} </tmp`], { timeoutMs: 20_000 });
  expect(outcome).toMatchObject({ code: 0, stdout: "" });
});

test("a --timeout of zero or less is none", async () => {
  for (const timeout of ["0", "-1s"]) expect((await ctr(["--timeout", timeout, "i", "ls", "-q"])).code).toBe(0);
});

test("R31: a hostile current directory: bunfig.toml, .env and a package.json are not looked at", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-hostile-"));
  await writeFile(join(dir, "evil.ts"), `await Bun.write("${dir}/was-run", "x"); console.log("EVIL");`);
  await writeFile(join(dir, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
  await writeFile(join(dir, ".env"), "CONTAINERD_ADDRESS=/from/dot-env.sock\nCONTAINERD_NAMESPACE=evil\n");
  await writeFile(join(dir, ".env.local"), "CONTAINERD_ADDRESS=/from/dot-env.sock\n");
  await writeFile(join(dir, "package.json"), '{"type":"module","imports":{"#x":"./evil.ts"}}');
  await writeFile(join(dir, "tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}');
  await mkdir(join(dir, "node_modules/@ctr/client"), { recursive: true });
  await writeFile(join(dir, "node_modules/@ctr/client/index.js"), 'console.log("EVIL")');
  const env = { CONTAINERD_ADDRESS: daemon.address };
  const listed = await run([ourCtr, "ns", "ls"], { cwd: dir, env });
  expect(listed).toMatchObject({ code: 0, stderr: "" });
  expect(listed.stdout).not.toContain("EVIL");
  const failed = await run([ourCtr, "ns", "ls"], { cwd: dir, env: { CONTAINERD_ADDRESS: "/no/such.sock" } });
  expect(failed.stderr).toContain("/no/such.sock");
  expect(await Bun.file(join(dir, "was-run")).exists()).toBe(false);
  await rm(dir, { recursive: true });
});
