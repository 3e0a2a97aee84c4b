import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { mustRun, run } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";
import { busybox, sharedBench } from "./setup.ts";

/** Shims spoken to without their daemon, and a daemon's profiles. */
const bench = sharedBench("shim");
beforeAll(async () => {
  await bench.open();
  await bench.now.line(["run", "-d", busybox, "s1", "sleep", "1000"]);
});
afterAll(bench.close);

const process = (args: readonly string[], terminal = false) =>
  JSON.stringify({ args, terminal, cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } });

/** Flags that name FIFOs in a directory of the test's own. */
function streams(name: string): readonly string[] {
  return ["stdin", "stdout", "stderr"].flatMap((each) => [`--${each}`, join(bench.now.daemon.dir, `${name}-${each}`)]);
}

test("shim state: what the shim knows, as the Go tool prints it but for the time nothing ended at", async () => {
  const { go, line } = bench.now;
  const ours = JSON.parse(await line(["shim", "--id", "s1", "state"]));
  const theirs = JSON.parse((await go(["shim", "--id", "s1", "state"])).stdout);
  expect(ours).toEqual({ ...theirs, exited_at: { seconds: -62135596800 } });
  expect(Object.keys(ours)).toEqual(Object.keys(theirs));
  expect(JSON.parse(await line(["shim", "--id", "s1", "state", "-t", "s1", "--api-version", "2"]))).toEqual(ours);
});

test("shim: the version that was asked for is the one that is spoken; without one, whichever there is", async () => {
  const { ctr } = bench.now;
  const third = await ctr(["shim", "--id", "s1", "state", "--api-version", "3"]);
  expect(third).toMatchObject({ code: 1, stdout: "" });
  expect(third.stderr).toStartWith("ctr: rpc error: code = Unimplemented desc = service containerd.task.v3.Task");
  const fourth = await ctr(["shim", "--id", "s1", "state", "--api-version", "4"]);
  expect(fourth.stderr).toBe("ctr: api-version must be 2 or 3\n");
});

test("shim: which one must be said, and must answer", async () => {
  const { ctr, daemon, namespace } = bench.now;
  const none = await ctr(["shim", "state"]);
  expect(none).toMatchObject({ code: 1, stdout: "" });
  expect(none.stderr).toStartWith("ctr: shim ID (--id) or address (--shim-address) must be specified\n");
  const hash = createHash("sha256").update(`${daemon.address}/${namespace}/nobody`).digest("hex");
  const nobody = await ctr(["shim", "--id", "nobody", "state"]);
  expect(nobody.code).toBe(1);
  expect(nobody.stderr).toStartWith(
    `ctr: fail to connect to container shim with sockets: [/run/containerd/s/${hash} @/containerd-shim/${namespace}/nobody/shim.sock]\n`,
  );
});

test("shim --shim-address: the socket itself, with or without unix://", async () => {
  const { daemon, line, namespace } = bench.now;
  const hash = createHash("sha256").update(`${daemon.address}/${namespace}/s1`).digest("hex");
  for (const prefix of ["", "unix://"]) {
    const shim = ["shim", "--shim-address", `${prefix}/run/containerd/s/${hash}`];
    expect(JSON.parse(await line([...shim, "state", "-t", "s1"])).id).toBe("s1");
  }
});

test("shim start, delete, shutdown: a task from created to gone", async () => {
  const { ctr, go, line } = bench.now;
  const again = await ctr(["shim", "--id", "s1", "start", "s1"]);
  const theirs = await go(["shim", "--id", "s1", "start", "s1"]);
  expect(again).toMatchObject({ code: 1, stderr: theirs.stderr });
  // Nothing happens while there is a task.
  await line(["shim", "--id", "s1", "shutdown"]);
  expect(JSON.parse(await line(["shim", "--id", "s1", "state"])).status).toBe(2);
  await line(["run", "-d", busybox, "s2", "sh", "-c", "exit 7"]);
  await run([...bench.now.command("tasks", "attach", "s2")]);
  await line(["containers", "rm", "s2"]);
  await line(["run", "-d", busybox, "s3", "sleep", "1000"]);
  await line(["tasks", "kill", "-s", "KILL", "s3"]);
  await mustRun(["tail", "--pid", JSON.parse(await line(["shim", "--id", "s3", "state"])).pid, "-f", "/dev/null"]);
  expect(await line(["shim", "--id", "s3", "delete", "s3"])).toBe("container deleted and returned exit status 137\n");
  await line(["shim", "--id", "s3", "shutdown"]);
  expect((await ctr(["shim", "--id", "s3", "state"])).stderr).toContain("fail to connect to container shim");
});

test("shim exec -a: streams both ways until the process ends", async () => {
  const { ctr, daemon } = bench.now;
  const spec = join(daemon.dir, "process.json");
  await writeFile(spec, process(["sh", "-c", "echo up; cat; echo down >&2"]));
  const words = ["shim", "--id", "s1", "exec", "--spec", spec, ...streams("e1"), "-a", "e1"];
  const { code, stdout, stderr } = await ctr(words, { stdin: "typed\n" });
  expect({ code, stdout: stdout.replace(/\d+/, "N") }).toEqual({
    code: 0,
    stdout: "exec running with pid N\nup\ntyped\n",
  });
  expect(stderr).toContain("level=info msg=attaching");
  expect(stderr).toContain("down\n");
});

test("shim exec: without -a it says the pid and leaves; with -t there is a terminal", async () => {
  const { command, daemon, line } = bench.now;
  const spec = join(daemon.dir, "sleep.json");
  await writeFile(spec, process(["sleep", "1000"]));
  const said = await line(["shim", "--id", "s1", "exec", "--spec", spec, ...streams("e2"), "e2"]);
  expect(said).toMatch(/^exec running with pid \d+\n$/);
  expect(await line(["tasks", "ps", "s1"])).toContain(/\d+/.exec(said)?.[0] ?? "missing");
  const tty = join(daemon.dir, "tty.json");
  await writeFile(tty, process(["sh", "-c", "tty; read x; stty size"], true));
  const words = command("shim", "--id", "s1", "exec", "--spec", tty, ...streams("e3"), "-t", "-a", "e3");
  using terminal = openTerminal(words, { columns: 71, rows: 19 });
  await terminal.waitFor(/\/dev\/pts\/\d+/);
  terminal.type("go\r");
  expect(await terminal.exited).toBe(0);
  expect(terminal.output).toContain("19 71");
});

test("shim exec: what is missing is said before anything is made", async () => {
  const { ctr } = bench.now;
  const exec = ["shim", "--id", "s1", "exec"];
  expect((await ctr(exec)).stderr).toBe("ctr: exec id must be provided\n");
  expect((await ctr([...exec, "e9"])).stderr).toStartWith("ctr: open : no such file or directory\n");
  const absent = await ctr([...exec, "--spec", "/no/such.json", "e9"]);
  expect(absent.stderr).toBe("ctr: open /no/such.json: no such file or directory\n");
});

test("shim: on the embedded engine its shims are found by the id alone", async () => {
  const { archive, daemon } = bench.now;
  const root = join(daemon.dir, "embedded");
  const ours = (...words: readonly string[]) => mustRun([ourCtr, "--address", `embedded://${root}`, ...words]);
  try {
    await ours("images", "import", "--base-name", "docker.io/library/busybox", archive);
    await ours("run", "-d", busybox, "here", "sleep", "1000");
    expect(JSON.parse(await ours("shim", "--id", "here", "state"))).toMatchObject({ id: "here", status: 2 });
  } finally {
    await forgetStore(root);
  }
});

test("pprof: the daemon's profiles, unchanged, as the Go tool gets them", async () => {
  const { ctr, daemon, go, line } = bench.now;
  const socket = ["pprof", "--debug-socket", `${daemon.address}.debug`];
  expect(await line([...socket, "goroutines"])).toContain("goroutine 1 [");
  expect((await go([...socket, "goroutines"])).stdout).toContain("goroutine 1 [");
  for (const name of ["heap", "block", "threadcreate"]) {
    expect(await line([...socket, name, "--debug", "1"])).toMatch(
      /^(?:heap profile|--- contention|threadcreate profile)/,
    );
  }
  for (const name of ["profile", "trace"]) {
    const { code, stdout } = await ctr([...socket, name, "-s", "100ms"]);
    expect({ code, some: stdout.length > 20 }).toEqual({ code: 0, some: true });
  }
});

test("pprof: no socket, or one that has no profiles", async () => {
  const { ctr, daemon } = bench.now;
  const absent = await ctr(["pprof", "-d", "/no/such.sock", "goroutines"]);
  expect(absent).toMatchObject({ code: 1, stdout: "" });
  expect(absent.stderr).toStartWith(
    'ctr: Get "http://./debug/pprof/goroutine?debug=2": dial unix /no/such.sock: connect: no such file or directory\nhint: ',
  );
  const path = join(daemon.dir, "empty.sock");
  using _server = Bun.serve({ unix: path, fetch: () => new Response("no", { status: 404, statusText: "Not Found" }) });
  const empty = await ctr(["pprof", "-d", path, "heap"]);
  expect(empty.stderr).toBe("ctr: http get failed with status: 404 Not Found\n");
  const shim = await ctr(["shim", "--id", "s1", "pprof", "heap"]);
  expect(shim.stderr).toMatch(
    /^ctr: Get "http:\/\/.\/debug\/pprof\/heap\?debug=0": dial unix \/run\/containerd\/s\/\w{64}: connect: no such file/,
  );
});
