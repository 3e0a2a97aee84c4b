import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { busybox, sharedBench } from "./setup.ts";

/** Flags that the Go ctr takes and ignores: ours are the same, so that a script that gives them gets what it got. */
const bench = sharedBench("without-effect");
let target = "";
beforeAll(async () => {
  await bench.open();
  target = join(bench.now.daemon.dir, "mounted");
  await mkdir(target);
});
afterAll(bench.close);

const nowhere = "/nonexistent";
const registry = [
  ["--skip-verify"],
  ["--plain-http"],
  ["--user", "nobody:secret"],
  ["--refresh", "token"],
  ["--hosts-dir", nowhere],
  ["--tlscacert", nowhere],
  ["--tlscert", nowhere],
  ["--tlskey", nowhere],
  ["--http-dump"],
  ["--http-trace"],
  ["--label", "a=b"],
] as const;

test("images mount and unmount: the flags of a registry, and --label, change nothing", async () => {
  const { line } = bench.now;
  const bothWays = async (...flags: readonly string[]) => {
    const mounted = await line(["images", "mount", ...flags, busybox, target]);
    const snapshots = await line(["snapshots", "ls"]);
    const labels = JSON.parse(await line(["snapshots", "info", target])).Labels;
    return [mounted, snapshots, labels, await line(["images", "unmount", "--rm", ...flags, target])];
  };
  const plain = await bothWays();
  for (const flags of registry) expect(await bothWays(...flags)).toEqual(plain);
  expect(await line(["images", "ls"])).not.toContain("a=b");
});

test("content active --root changes nothing", async () => {
  const { command, line } = bench.now;
  const holder = Bun.spawn([...command("content", "ingest", "held")], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  holder.stdin.write("beginning");
  await holder.stdin.flush();
  const refs = async (...flags: readonly string[]) =>
    (await line(["content", "active", ...flags])).split("\n").map((row) => row.split("\t")[0]);
  while (!(await refs()).includes("held"));
  expect(await refs("--root", nowhere)).toEqual(await refs());
  await holder.stdin.end();
  await holder.exited;
});

test("containers create --pid-file and --no-pivot change nothing", async () => {
  const { line } = bench.now;
  const pidFile = join(bench.now.daemon.dir, "pid");
  const made = async (...flags: readonly string[]) => {
    await line(["containers", "create", ...flags, busybox, "made", "true"]);
    const {
      CreatedAt: _created,
      UpdatedAt: _updated,
      ...record
    } = JSON.parse(await line(["containers", "info", "made"]));
    await line(["containers", "rm", "made"]);
    return record;
  };
  const plain = await made();
  expect(await made("--pid-file", pidFile)).toEqual(plain);
  expect(await made("--no-pivot")).toEqual(plain);
  expect(await Bun.file(pidFile).exists()).toBe(false);
});

test("shim exec --env and --cwd change nothing: the process's own specification says both", async () => {
  const { ctr, daemon, line } = bench.now;
  const spec = join(daemon.dir, "process.json");
  const args = ["sh", "-c", "pwd; env | sort"];
  await writeFile(spec, JSON.stringify({ args, cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } }));
  await line(["run", "-d", "--null-io", busybox, "execs", "sleep", "1000"]);
  let turn = 0;
  const told = async (...flags: readonly string[]) => {
    const id = `e${turn++}`;
    const streams = ["stdin", "stdout", "stderr"].flatMap((each) => [`--${each}`, join(daemon.dir, `${id}-${each}`)]);
    const { code, stdout } = await ctr([
      "shim",
      "--id",
      "execs",
      "exec",
      "--spec",
      spec,
      ...streams,
      ...flags,
      "-a",
      id,
    ]);
    expect(code).toBe(0);
    return stdout.replace(/\d+/, "N");
  };
  const plain = await told();
  expect(plain).toContain("PATH=/bin");
  expect(await told("--env", "A=1")).toBe(plain);
  expect(await told("--cwd", "/tmp")).toBe(plain);
  await ctr(["tasks", "rm", "-f", "execs"]);
  await line(["containers", "rm", "execs"]);
});
