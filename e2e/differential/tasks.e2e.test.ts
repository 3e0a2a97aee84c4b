import { afterAll, beforeAll, expect, test } from "bun:test";
import { records } from "./harness.ts";
import { busybox, sharedArena } from "./setup.ts";

const arena = sharedArena();
beforeAll(arena.open);
afterAll(arena.close);

test("run passes output and exit codes on", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["run", "--rm", busybox, "r1", "echo", "hello"],
    ["run", "--rm", busybox, "r1", "sh", "-c", "echo out; echo err >&2; exit 7"],
    ["run", "--rm", busybox, "r1", "sh", "-c", "kill -9 $$"],
    ["run", "--rm", busybox, "r1", "nosuch"],
    ["run", "--rm", "nosuch", "r1", "true"],
    ["run", busybox, "bad/id", "true"],
    ["run", busybox, "r2", "true"],
    ["run", busybox, "r2", "true"],
    ["run", "-d", "--rm", busybox, "r3"],
    ["run", "--rm", busybox, "r4", "seq", "1", "20000"],
    ["run"],
    ["run", busybox],
  ]);
  await pair.sameState(records.containers, ["tasks", "ls"]);
});

test("a task is started, listed, executed in, paused, resumed, killed and deleted", async () => {
  const { pair } = arena.now;
  await pair.steps([
    ["containers", "create", busybox, "t1", "sleep", "1000"],
    ["tasks", "start", "-d", "--null-io", "t1"],
    ["tasks", "start", "-d", "t1"],
    ["tasks", "start", "nosuch"],
    ["tasks", "start"],
    ["tasks", "ls", "-q"],
    ["tasks", "exec", "--exec-id", "e1", "t1", "echo", "in"],
    ["tasks", "exec", "--exec-id", "e1", "t1", "sh", "-c", "exit 9"],
    ["tasks", "exec", "--exec-id", "e1", "--cwd", "/tmp", "t1", "sh", "-c", "echo $PWD"],
    ["tasks", "exec", "--exec-id", "e1", "--user", "1000", "t1", "id", "-u"],
    ["tasks", "exec", "--exec-id", "e1", "t1", "nosuch"],
    ["tasks", "exec", "--exec-id", "bad id", "t1", "true"],
    ["tasks", "exec", "--exec-id", "e2", "-d", "t1", "sleep", "1000"],
    ["tasks", "exec", "--exec-id", "e2", "t1", "true"],
    ["tasks", "kill", "--exec-id", "nosuch", "t1"],
    ["tasks", "kill", "-s", "FOO", "t1"],
    ["tasks", "kill", "-a", "--exec-id", "e2", "t1"],
    ["tasks", "delete", "t1"],
    ["tasks", "pause", "t1"],
    ["tasks", "pause", "t1"],
    ["tasks", "resume", "t1"],
    ["tasks", "resume", "t1"],
    ["tasks", "pause", "nosuch"],
    ["tasks", "metrics", "nosuch"],
    ["tasks", "ps"],
    ["tasks", "ps", "nosuch"],
    ["containers", "rm", "t1"],
  ]);
  for (const argv of [
    ["tasks", "ps", "t1"],
    ["tasks", "ls"],
  ]) {
    const { ours, theirs } = await both(argv);
    expect(withoutPids(ours)).toEqual(withoutPids(theirs));
  }
  await pair.steps([
    ["tasks", "kill", "-s", "kill", "t1"],
    ["tasks", "rm", "-f", "t1"],
    ["tasks", "rm", "t1"],
    ["containers", "rm", "t1"],
  ]);
  await pair.sameState(records.containers, records.snapshots, ["tasks", "ls", "-q"]);
});

test("metrics has the same rows", async () => {
  const { pair } = arena.now;
  await pair.prepare(["run", "-d", "--null-io", busybox, "m1", "sleep", "1000"]);
  const { ours, theirs } = await both(["tasks", "metrics", "m1"]);
  const names = (text: string) => text.split("\n").map((line) => line.split(" ")[0]);
  expect(names(ours)).toEqual(names(theirs));
});

/** A command of both tools whose numbers differ; only that it succeeds is checked here. */
async function both(argv: readonly string[]): Promise<{ readonly ours: string; readonly theirs: string }> {
  const { pair } = arena.now;
  const [ours, theirs] = [await pair.ours(argv), await pair.go(argv, "diff-base")];
  expect([ours.code, ours.stderr, theirs.code]).toEqual([0, "", 0]);
  return { ours: ours.stdout, theirs: theirs.stdout };
}

/** Process ids have as many digits as they happen to have, and the table's padding with them; 2.4 words exec ids anew. */
function withoutPids(text: string): string {
  const worded = text.replace(/&ProcessDetails\{ExecID:(\w+),XXX_unrecognized:\[\],\}/g, 'exec_id:"$1"');
  return worded.replace(/\d+ */g, "<pid> ").replace(/PID +/, "PID ");
}
