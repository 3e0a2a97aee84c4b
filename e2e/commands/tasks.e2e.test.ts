import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";
import { busybox, fifosOf, sharedBench } from "./setup.ts";

const bench = sharedBench("tasks");
/** FIFOs have their process's id in their names: these ids are nobody else's. */
const mark = `-of-${process.pid}`;
const a1 = `a1${mark}`;
const a2 = `a2${mark}`;
const a3 = `a3${mark}`;
const s1 = `s1${mark}`;
const late = `late${mark}`;
beforeAll(() => bench.open());
afterAll(bench.close);

async function pidOf(id: string): Promise<number> {
  const table = await bench.now.line(["tasks", "ls"]);
  return Number(new RegExp(`^${id} +(\\d+)`, "m").exec(table)?.[1]);
}

/** Waits until process `pid` has ended. */
const ended = (pid: number) => mustRun(["tail", `--pid=${pid}`, "-f", "/dev/null"]);

test("tasks attach: shows what waited in the FIFO, types, passes the exit code on and deletes the task", async () => {
  const { ctr, line } = bench.now;
  await line(["run", "-d", busybox, a1, "sh", "-c", "echo waiting; read x; echo got $x; exit 7"]);
  const { code, stdout } = await ctr(["tasks", "attach", a1], { stdin: "typed\n" });
  expect({ code, stdout }).toEqual({ code: 7, stdout: "waiting\ngot typed\n" });
  expect(await line(["tasks", "ls", "-q"])).toBe("");
  await line(["containers", "rm", a1]);
});

test("tasks attach: a client that is killed leaves the task to the next one", async () => {
  const { command, ctr, line } = bench.now;
  await line(["run", "-d", busybox, a2, "sh", "-c", "echo up; read x; echo got $x; exit 5"]);
  const first = Bun.spawn([...command("tasks", "attach", a2)], { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  const { value } = await first.stdout.getReader().read();
  expect(Buffer.from(value ?? []).toString()).toBe("up\n");
  first.kill("SIGKILL");
  await first.exited;
  expect(await line(["tasks", "ls"])).toMatch(new RegExp(`^${a2} +\\d+ +RUNNING$`, "m"));
  const { code, stdout } = await ctr(["tasks", "attach", a2], { stdin: "again\n" });
  expect({ code, stdout }).toEqual({ code: 5, stdout: "got again\n" });
  await line(["containers", "rm", a2]);
});

test("tasks start -d, then attach on a terminal: the keys reach a real terminal", async () => {
  const { command, line } = bench.now;
  await line(["containers", "create", "-t", busybox, a3, "sh", "-c", "read x; tty; stty size; exit 6"]);
  await line(["tasks", "start", "-d", a3]);
  using terminal = openTerminal(command("tasks", "attach", a3), { columns: 77, rows: 22 });
  terminal.type("go\r");
  expect(await terminal.exited).toBe(6);
  expect(terminal.output).toMatch(/\/dev\/pts\/\d+/);
  await line(["containers", "rm", a3]);
});

test("tasks start: piped stdin, exit code and pid file", async () => {
  const { ctr, daemon, line } = bench.now;
  const pidFile = join(daemon.dir, "pid");
  await line(["containers", "create", busybox, s1, "sh", "-c", "cat; exit 3"]);
  const { code, stdout } = await ctr(["tasks", "start", "--pid-file", pidFile, s1], { stdin: "piped\n" });
  expect({ code, stdout }).toEqual({ code: 3, stdout: "piped\n" });
  expect(await readFile(pidFile, "utf8")).toMatch(/^\d+$/);
  await line(["containers", "rm", s1]);
});

test("tasks start --log-uri: a file, and a program of the user's", async () => {
  const { daemon, line } = bench.now;
  const [file, taken, logger] = ["start.log", "taken.log", "logger"].map((name) => join(daemon.dir, name));
  await writeFile(logger ?? "", `#!/bin/sh\ncat <&3 >${taken} 5>&- &\nexec 5>&-\nwait\n`, { mode: 0o755 });
  await line(["containers", "create", busybox, "s2", "echo", "logged"]);
  expect(await line(["tasks", "start", "--log-uri", `file://${file}`, "s2"])).toBe("");
  expect(await readFile(file ?? "", "utf8")).toBe("logged\n");
  expect(await line(["tasks", "start", "--log-uri", `binary://${logger}`, "s2"])).toBe("");
  expect(await readFile(taken ?? "", "utf8")).toBe("logged\n");
  await line(["containers", "rm", "s2"]);
});

test("tasks start --fifo-dir: FIFOs are made there and go with the task", async () => {
  const { ctr, daemon, line } = bench.now;
  const fifos = join(daemon.dir, "fifos");
  await mkdir(fifos);
  await line(["containers", "create", busybox, "s3", "sleep", "1000"]);
  await line(["tasks", "start", "-d", "--fifo-dir", fifos, "s3"]);
  const [directory = ""] = await readdir(fifos);
  expect((await readdir(join(fifos, directory))).sort()).toEqual(["s3-stderr", "s3-stdin", "s3-stdout"]);
  const { code, stderr } = await ctr(["tasks", "delete", "-f", "s3"]);
  expect(code).toBe(0);
  expect(stderr).toContain("task s3 exit with non-zero exit code 137");
  expect(await readdir(fifos)).toEqual([]);
  await line(["containers", "rm", "s3"]);
});

test("tasks exec -d and delete --exec-id: the exec's exit code is passed on", async () => {
  const { ctr, line } = bench.now;
  await line(["run", "-d", "--null-io", busybox, "x1", "sleep", "1000"]);
  await line(["tasks", "exec", "-d", "--exec-id", "e1", "--log-uri", "file:///dev/null", "x1", "sleep", "1000"]);
  const pids = (await line(["tasks", "ps", "x1"])).split("\n");
  const pid = Number(pids.find((row) => row.includes("e1"))?.split(" ")[0]);
  await line(["tasks", "kill", "--exec-id", "e1", "-s", "SIGKILL", "x1"]);
  await ended(pid);
  expect((await ctr(["tasks", "delete", "--exec-id", "e1", "x1"])).code).toBe(137);
  const gone = await ctr(["tasks", "delete", "--exec-id", "e1", "x1"]);
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain("no running process found: process does not exist e1: not found");
});

test("tasks metrics --format json: the numbers of the Go tool's message under the .proto file's names", async () => {
  const { ctr, go, line } = bench.now;
  await line(["tasks", "pause", "x1"]);
  const ours = JSON.parse(await line(["tasks", "metrics", "--format", "json", "x1"]));
  const theirs = JSON.parse((await go(["tasks", "metrics", "--format", "json", "x1"])).stdout);
  expect(ours).toEqual(theirs);
  expect((await ctr(["tasks", "metrics", "--format", "xml", "x1"])).stderr).toStartWith(
    "ctr: format must be table or json\n",
  );
  await line(["tasks", "resume", "x1"]);
});

test("run --timeout on a running container ends with the deadline, and leaves no task or FIFO", async () => {
  const { ctr, line } = bench.now;
  const outcome = await ctr(["--timeout", "1s", "run", "--rm", busybox, late, "sleep", "1000"]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^ctr: .*context deadline exceeded$/m);
  expect(await line(["tasks", "ls", "-q"])).toBe("x1\n");
  expect(await line(["containers", "ls", "-q"])).toBe("x1\n");
});

test("after all of it no FIFO, no temporary directory and no process is left", async () => {
  const { ctr, line } = bench.now;
  const pid = await pidOf("x1");
  expect((await ctr(["tasks", "delete", "-f", "x1"])).code).toBe(0);
  await ended(pid);
  await line(["containers", "rm", "x1"]);
  expect(await fifosOf(mark)).toEqual([]);
  expect(await bench.now.temporaries()).toEqual([]);
});
