import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dumpedFiles, type FakeCriu, makeFakeCriu } from "../support/fake-criu.ts";
import type { Outcome } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";
import { busybox, sharedBench } from "./setup.ts";

/** Checkpoints of whole containers and back, beside the Go tool's; the dump is a fake runtime's. */
const bench = sharedBench("restore");
let programs = "";
let criu: FakeCriu;
beforeAll(async () => {
  programs = await mkdtemp(join(tmpdir(), "ctr-e2e-criu-"));
  criu = await makeFakeCriu(programs);
  await bench.open({ programs });
});
afterAll(async () => {
  await bench.close();
  await rm(programs, { recursive: true, force: true });
});

const lines = (text: string) => text.split("\n").filter(Boolean);

/** A container that has written a file, but would not write it again. */
async function start(id: string, ...flags: readonly string[]): Promise<void> {
  await bench.now.line(["run", "-d", "--null-io", ...flags, busybox, id, "sleep", "1000"]);
  await bench.now.line(["tasks", "exec", "--exec-id", "write", id, "sh", "-c", "echo made >/made"]);
}

const readMade = (id: string) => bench.now.ctr(["tasks", "exec", "--exec-id", "read", id, "cat", "/made"]);

async function end(...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await bench.now.ctr(["tasks", "rm", "-f", id]);
    await bench.now.line(["containers", "rm", id]);
  }
}

/** A container that is gone when the test ends, however it ends. */
async function started(id: string, ...flags: readonly string[]): Promise<AsyncDisposable> {
  await start(id, ...flags);
  return { [Symbol.asyncDispose]: () => end(id) };
}

interface Entry {
  readonly mediaType: string;
  readonly digest: string;
}

/** The index that an image is, as it is stored. */
async function indexOf(image: string): Promise<{ readonly manifests: readonly Entry[] | null; readonly text: string }> {
  const row = lines(await bench.now.line(["images", "ls", `name==${image}`]))[1]?.split(/\s+/) ?? [];
  const text = await bench.now.line(["content", "get", row[2] ?? ""]);
  return { ...JSON.parse(text), text };
}

/** Its text with the dump, of which no two are alike, taken out. */
async function textOf(image: string): Promise<string> {
  const { manifests, text } = await indexOf(image);
  const dump = manifests?.find(({ mediaType }) => mediaType.endsWith("criu.tar"));
  return dump === undefined ? text : text.replace(dump.digest, "<dump>");
}

test.each([[[]], [["--image"]], [["--rw"]], [["--task"]], [["--rw", "--image"]], [["--task", "--image", "--rw"]]])(
  "containers checkpoint %j: the index, the parts and the labels of the Go tool's",
  async (flags) => {
    const { go, line } = bench.now;
    await start("both");
    expect(await go(["containers", "checkpoint", ...flags, "both", "theirs"])).toEqual(silent);
    const [text, theirs] = [await textOf("theirs"), await labelsOf("theirs")];
    // A daemon stores no spec twice: see the test below.
    await line(["images", "rm", "--sync", "theirs"]);
    expect(await line(["containers", "checkpoint", ...flags, "both", "ours"])).toBe("");
    expect(await textOf("ours")).toBe(text);
    expect(await labelsOf("ours")).toEqual(theirs);
    expect(await line(["tasks", "ls"])).toMatch(/^both +\d+ +RUNNING$/m);
    expect(await line(["leases", "ls", "-q"])).toBe("");
    expect(await line(["snapshots", "ls"])).not.toContain("-view-");
    await line(["images", "rm", "--sync", "ours"]);
    await end("both");
  },
);

const silent: Outcome = { code: 0, stdout: "", stderr: "" };

/** Labels of the index and its parts, the dump's among them under a name that is no digest. */
async function labelsOf(image: string): Promise<readonly string[]> {
  const { line } = bench.now;
  const row = lines(await line(["images", "ls", `name==${image}`]))[1]?.split(/\s+/) ?? [];
  const { manifests } = await indexOf(image);
  const dump = manifests?.find(({ mediaType }) => mediaType.endsWith("criu.tar"))?.digest ?? "none";
  const digests = [row[2] ?? "", ...(manifests ?? []).map(({ digest }) => digest)];
  const labels = digests.map(async (digest) => await line(["content", "ls", `digest==${digest}`]));
  const rows = (await Promise.all(labels)).map((text) => lines(text)[1]?.split(/\t+/).at(-1) ?? "none");
  return rows.map((text) => text.replaceAll(dump, "<dump>"));
}

test("containers restore: what either tool has checkpointed, the other restores", async () => {
  const { ctr, go, line } = bench.now;
  await start("first");
  await line(["containers", "checkpoint", "--task", "--rw", "--image", "first", "ours"]);
  const spec = JSON.parse(await line(["containers", "info", "first"])).Spec;
  await line(["images", "rm", "--sync", "ours"]);
  expect(await go(["containers", "checkpoint", "--task", "--rw", "--image", "first", "theirs"])).toEqual(silent);
  await end("first");
  // Ours of the Go tool's.
  expect(await ctr(["containers", "restore", "--rw", "first", "theirs"])).toEqual(silent);
  const restored = JSON.parse(await line(["containers", "info", "first"]));
  expect(restored).toMatchObject({ Image: busybox, Labels: {}, SnapshotKey: "first", Snapshotter: "overlayfs" });
  expect(restored.Spec).toEqual(spec);
  expect(await line(["tasks", "ls"])).toMatch(/^first +\d+ +RUNNING$/m);
  expect((await readMade("first")).stdout).toBe("made\n");
  await end("first");
  expect(await go(["containers", "restore", "--rw", "first", "theirs"])).toEqual(silent);
  const { CreatedAt: _c, UpdatedAt: _u, ...goes } = JSON.parse(await line(["containers", "info", "first"]));
  const { CreatedAt: _created, UpdatedAt: _updated, ...our } = restored;
  expect(our).toEqual({ ...goes, Labels: our.Labels });
  // The Go tool's of ours.
  await line(["images", "rm", "--sync", "theirs"]);
  await line(["containers", "checkpoint", "--task", "--rw", "first", "ours"]);
  await end("first");
  expect(await go(["containers", "restore", "--rw", "first", "ours"])).toEqual(silent);
  expect(await line(["tasks", "ls"])).toMatch(/^first +\d+ +RUNNING$/m);
  await end("first");
  expect(await line(["leases", "ls", "-q"])).toBe("");
  await line(["images", "rm", "--sync", "ours"]);
});

test("containers restore --rw brings back what was written; without it the container begins as its image", async () => {
  const { line } = bench.now;
  await start("wrote");
  await line(["containers", "checkpoint", "--task", "--rw", "wrote", "wrote:1"]);
  await line(["containers", "restore", "--rw", "with", "wrote:1"]);
  await line(["containers", "restore", "plain", "wrote:1"]);
  expect([(await readMade("with")).stdout, (await readMade("plain")).code]).toEqual(["made\n", 1]);
  await end("with", "plain", "wrote");
  await line(["images", "rm", "--sync", "wrote:1"]);
});

test("containers restore --live goes on from the dump", async () => {
  const { line } = bench.now;
  await start("alive");
  await line(["containers", "checkpoint", "--task", "alive", "alive:1"]);
  await end("alive");
  const before = (await criu.calls()).length;
  await line(["containers", "restore", "alive", "alive:1"]);
  expect((await criu.calls()).length).toBe(before);
  await end("alive");
  await line(["containers", "restore", "--live", "alive", "alive:1"]);
  expect((await criu.calls()).at(-1)).toContain(" restore ");
  expect(await criu.restored()).toEqual(dumpedFiles());
  expect(await line(["tasks", "ls"])).toMatch(/^alive +\d+ +RUNNING$/m);
  await end("alive");
  await line(["images", "rm", "--sync", "alive:1"]);
});

test("containers checkpoint: what is wrong is told, and the task runs on", async () => {
  const { ctr, go, line } = bench.now;
  await using _told = await started("told");
  const rootfs = join(bench.now.daemon.dir, "rootfs");
  await line(["containers", "create", "--rootfs", rootfs, "bare", "true"]);
  await line(["containers", "checkpoint", "--task", "told", "told:1"]);
  for (const words of [[], ["told"], ["nosuch", "x"], ["bare", "x"], ["told", "told:1"]]) {
    const [ours, theirs] = [
      await ctr(["containers", "checkpoint", ...words]),
      await go(["containers", "checkpoint", ...words]),
    ];
    expect({ words, code: ours.code, stdout: ours.stdout }).toEqual({
      words,
      code: theirs.code,
      stdout: theirs.stdout,
    });
    expect(lines(ours.stderr)[0]).toBe(lines(theirs.stderr)[0] ?? "");
  }
  const again = await ctr(["containers", "checkpoint", "--task", "told", "told:2"]);
  expect(again.stderr).toMatch(
    /^ctr: cannot checkpoint task .*: already exists\nhint: delete the earlier checkpoint first/,
  );
  expect(await line(["images", "ls", "-q"])).not.toContain("told:2");
  expect(await line(["tasks", "ls"])).toMatch(/^told +\d+ +RUNNING$/m);
  expect(await line(["leases", "ls", "-q"])).toBe("");
  await line(["containers", "rm", "bare"]);
  await line(["images", "rm", "--sync", "told:1"]);
});

test("containers checkpoint: a task that cannot be resumed is told of where the Go tool does, and the checkpoint stands", async () => {
  const { ctr, go, line } = bench.now;
  await using _stuck = await started("stuck");
  await writeFile(criu.stuck, "");
  const ours = await ctr(["containers", "checkpoint", "stuck", "stuck:1"]);
  await rm(criu.stuck);
  await line(["tasks", "resume", "stuck"]);
  await writeFile(criu.stuck, "");
  const theirs = await go(["containers", "checkpoint", "stuck", "stuck:2"]);
  await rm(criu.stuck);
  await line(["tasks", "resume", "stuck"]);
  const said = ({ code, stdout, stderr }: Outcome) => ({ code, stderr, words: stdout.split(": ")[0] });
  expect(said(ours)).toEqual({ code: 0, stderr: "", words: "error resuming task" });
  expect(said(ours)).toEqual(said(theirs));
  await line(["images", "rm", "--sync", "stuck:1", "stuck:2"]);
});

test("containers restore: what is wrong is told, and nothing is left", async () => {
  const { ctr, go, line } = bench.now;
  await using _whole = await started("whole");
  await line(["containers", "checkpoint", "--image", "whole", "specless"]);
  await line(["containers", "checkpoint", "--task", "whole", "whole:1"]);
  const before = [
    await line(["containers", "ls"]),
    await line(["snapshots", "ls"]),
    await line(["images", "ls", "-q"]),
  ];
  for (const words of [
    [],
    ["x"],
    ["x", "specless"],
    ["x", busybox],
    ["--rw", "x", "whole:1"],
    ["--live", "x", "specless"],
  ]) {
    const [ours, theirs] = [
      await ctr(["containers", "restore", ...words]),
      await go(["containers", "restore", ...words]),
    ];
    expect({ words, code: ours.code, stdout: ours.stdout }).toEqual({ words, code: 1, stdout: "" });
    expect(lines(ours.stderr)[0]).toBe(lines(theirs.stderr)[0] ?? "");
    // The Go tool leaves the snapshot of a restore that failed.
    await ctr(["snapshots", "rm", "x"]);
  }
  expect((await ctr(["containers", "restore", "x", "specless"])).stderr).toEndWith(
    "hint: the checkpoint was made without --task\n",
  );
  expect((await ctr(["containers", "restore", "whole", "whole:1"])).stderr).toBe(
    'ctr: snapshot "whole": already exists\n',
  );
  expect((await ctr(["containers", "restore", "x", "127.0.0.1:9/no/such:1"])).stderr).toContain("127.0.0.1:9");
  expect([
    await line(["containers", "ls"]),
    await line(["snapshots", "ls"]),
    await line(["images", "ls", "-q"]),
  ]).toEqual(before);
  expect(await line(["leases", "ls", "-q"])).toBe("");
  await line(["images", "rm", "--sync", "specless", "whole:1"]);
});

test("containers restore on a terminal: the process is attached, and its exit code passed on", async () => {
  const { command, ctr, line } = bench.now;
  await line(["containers", "create", "-t", busybox, "tty", "sh"]);
  await line(["tasks", "start", "-d", "tty"]);
  await line(["containers", "checkpoint", "--task", "tty", "tty:1"]);
  await end("tty");
  expect((await ctr(["containers", "restore", "tty", "tty:1"])).stderr).toStartWith(
    "ctr: provided file is not a console\n",
  );
  using terminal = openTerminal(command("containers", "restore", "tty", "tty:1"));
  await terminal.waitFor(/# /);
  terminal.type("exit 7\r");
  expect(await terminal.exited).toBe(7);
  expect(await line(["tasks", "ls", "-q"])).toBe("");
  await line(["containers", "rm", "tty"]);
  await line(["images", "rm", "--sync", "tty:1"]);
});
