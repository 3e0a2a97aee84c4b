import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { forgetStore } from "../support/engine.ts";
import { mustRun } from "../support/process.ts";
import { openTerminal } from "../support/terminal.ts";
import { busybox, sharedBench } from "./setup.ts";

/** Flags of processes: how they are started, what they are told, and where their streams go. */
const bench = sharedBench("processes");
beforeAll(bench.open);
afterAll(bench.close);

/** Reads lines until each of `wanted` has come. */
async function readUntil(stream: ReadableStream<Uint8Array>, wanted: readonly string[]): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream.values({ preventCancel: true })) {
    text += decoder.decode(chunk, { stream: true });
    if (wanted.every((line) => text.includes(`${line}\n`))) return;
  }
  throw new Error(`ended after ${JSON.stringify(text)}`);
}

/** A runc that writes down how it is called. */
async function loggingRunc(): Promise<{ readonly path: string; calls(): Promise<string> }> {
  const dir = await mkdtemp(join(bench.now.daemon.dir, "runc-"));
  const path = join(dir, "runc");
  await writeFile(path, `#!/bin/sh\necho "$@" >>${dir}/calls\nexec ${Bun.which("runc")} "$@"\n`, { mode: 0o755 });
  return { path, calls: () => readFile(join(dir, "calls"), "utf8") };
}

test("tasks kill --all reaches each process of the container, without it only the first", async () => {
  const { command, line } = bench.now;
  const loop = (name: string) => `trap 'echo ${name}' USR1; echo ready-${name}; while :; do sleep 0.05; done`;
  const script = `sh -c "${loop("child")}" & ${loop("parent")}`;
  const running = Bun.spawn([...command("run", "--rm", busybox, "all", "sh", "-c", script)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  await readUntil(running.stdout, ["ready-child", "ready-parent"]);
  await line(["tasks", "kill", "--all", "-s", "USR1", "all"]);
  await readUntil(running.stdout, ["child", "parent"]);
  await line(["tasks", "kill", "--all", "-s", "KILL", "all"]);
  expect(await running.exited).toBe(137);
});

test("tasks start --null-io: output goes nowhere", async () => {
  const { line } = bench.now;
  await line(["containers", "create", busybox, "ni", "echo", "nobody reads this"]);
  expect(await line(["tasks", "start", "--null-io", "ni"])).toBe("");
  expect(await line(["tasks", "start", "ni"])).toBe("nobody reads this\n");
  await line(["containers", "rm", "ni"]);
});

test("tasks start and run --no-pivot: runc is told not to pivot, on the embedded engine with its runc on PATH", async () => {
  const { archive, daemon } = bench.now;
  const { path, calls } = await loggingRunc();
  const root = join(daemon.dir, "embedded");
  const env = { PATH: `${dirname(path)}:${process.env["PATH"]}` };
  const ours = (...words: readonly string[]) => mustRun([ourCtr, "-a", `embedded://${root}`, ...words], { env });
  try {
    await ours("images", "import", "--base-name", "docker.io/library/busybox", archive);
    await ours("containers", "create", busybox, "np", "true");
    await ours("tasks", "start", "np");
    expect(await calls()).not.toContain("--no-pivot");
    await ours("tasks", "start", "--no-pivot", "np");
    const told = async () => (await calls()).split("\n").filter((call) => call.includes("--no-pivot")).length;
    expect(await told()).toBe(1);
    await ours("run", "--rm", "--no-pivot", busybox, "np2", "true");
    expect(await told()).toBe(2);
  } finally {
    await forgetStore(root);
  }
});

test("containers create --runc-binary, --runc-root, --runc-systemd-cgroup: which runc, where, and how", async () => {
  const { ctr, daemon, line } = bench.now;
  const { path, calls } = await loggingRunc();
  const root = join(daemon.dir, "runc-root");
  await line(["containers", "create", "--runc-binary", path, "--runc-root", root, busybox, "rr", "true"]);
  await line(["tasks", "start", "rr"]);
  expect(await calls()).toContain(`--root ${root}`);
  await line(["containers", "rm", "rr"]);
  const systemd = ["--runc-binary", path, "--runc-systemd-cgroup"];
  const alone = await ctr(["containers", "create", ...systemd, busybox, "sd", "true"]);
  expect(alone.stderr).toStartWith("ctr: option --runc-systemd-cgroup requires --cgroup to be set");
});

test("containers create --hostname and --user: who and where the process will be", async () => {
  const { line } = bench.now;
  await line([
    "containers",
    "create",
    "--hostname",
    "h1",
    "--user",
    "7:8",
    busybox,
    "hu",
    "sh",
    "-c",
    "hostname; id -u; id -g",
  ]);
  expect(await line(["tasks", "start", "hu"])).toBe("h1\n7\n8\n");
  await line(["containers", "rm", "hu"]);
});

test("tasks exec --fifo-dir: the exec's FIFOs are made there and go with it", async () => {
  const { command, line } = bench.now;
  const fifos = join(bench.now.daemon.dir, "exec-fifos");
  await mkdir(fifos);
  await line(["run", "-d", "--null-io", busybox, "ef", "sleep", "1000"]);
  const words = ["tasks", "exec", "--fifo-dir", fifos, "--exec-id", "e1", "ef", "sh", "-c", "echo up; read x"];
  const running = Bun.spawn([...command(...words)], { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  await readUntil(running.stdout, ["up"]);
  const [directory = ""] = await readdir(fifos);
  expect((await readdir(join(fifos, directory))).sort()).toEqual(["e1-stderr", "e1-stdin", "e1-stdout"]);
  running.stdin.write("end\n");
  await running.stdin.end();
  expect(await running.exited).toBe(0);
  expect(await readdir(fifos)).toEqual([]);
  await bench.now.ctr(["tasks", "delete", "-f", "ef"]);
  await line(["containers", "rm", "ef"]);
});

test("run --rm: the container is gone, and its snapshot; without it both stay", async () => {
  const { line } = bench.now;
  await line(["run", "--rm", busybox, "gone", "true"]);
  expect(await line(["containers", "ls", "-q"])).not.toContain("gone");
  expect(await line(["snapshots", "ls"])).not.toContain("gone");
  await line(["run", busybox, "stays", "true"]);
  expect(await line(["containers", "ls", "-q"])).toContain("stays");
  expect(await line(["snapshots", "ls"])).toContain("stays");
  await line(["containers", "rm", "stays"]);
});

test("run --tty: a terminal of the size of ours", async () => {
  const words = bench.now.command("run", "--rm", "--tty", busybox, "tt", "sh", "-c", "tty; stty size");
  using terminal = openTerminal(words, { columns: 83, rows: 21 });
  expect(await terminal.exited).toBe(0);
  expect(terminal.output).toMatch(/\/dev\/(?:pts\/\d+|console)/);
  expect(terminal.output).toContain("21 83");
});

test("run --log-uri: output goes to the file, none to us", async () => {
  const { ctr, daemon, line } = bench.now;
  const file = join(daemon.dir, "run.log");
  const { code, stdout } = await ctr(["run", "--rm", "--log-uri", `file://${file}`, busybox, "lu", "echo", "logged"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect(await readFile(file, "utf8")).toBe("logged\n");
  expect(await line(["run", "--rm", busybox, "lu", "echo", "told"])).toBe("told\n");
});

test("run --cpuset-mems: the nodes stand in the spec", async () => {
  const { line } = bench.now;
  await line(["run", "--cpuset-mems", "0", busybox, "cm", "true"]);
  expect(JSON.parse(await line(["containers", "info", "--spec", "cm"]))).toMatchObject({
    linux: { resources: { cpu: { mems: "0" } } },
  });
  await line(["containers", "rm", "cm"]);
});

test("run --privileged-without-host-devices: every capability, none of the host's devices", async () => {
  const { ctr, line } = bench.now;
  const devices = async (...flags: readonly string[]) =>
    (await line(["run", "--rm", "--privileged", ...flags, busybox, "pd", "ls", "/dev"])).split("\n").length;
  expect(await devices("--privileged-without-host-devices")).toBeLessThan(await devices());
  const alone = await ctr(["run", "--rm", "--privileged-without-host-devices", busybox, "pd", "true"]);
  expect(alone.code).toBe(1);
  expect(alone.stderr).toContain("can't use 'privileged-without-host-devices' without 'privileged'");
});

test("run and containers create --runtime-config-path: another runtime's options name the file", async () => {
  const { ctr, line } = bench.now;
  const flags = ["--runtime", "io.containerd.other.v1", "--runtime-config-path", "/etc/other.toml"];
  await line(["containers", "create", ...flags, busybox, "rc", "true"]);
  const { Runtime } = JSON.parse(await line(["containers", "info", "rc"]));
  expect(Runtime.Name).toBe("io.containerd.other.v1");
  expect(Buffer.from(Runtime.Options.value, "base64").toString()).toContain("/etc/other.toml");
  await line(["containers", "rm", "rc"]);
  // There is no such shim here.
  const { code, stderr } = await ctr(["run", "--rm", ...flags, busybox, "rc", "true"]);
  expect(code).toBe(1);
  expect(stderr).toContain("containerd-shim-other-v1");
});

test("shim exec --stderr, --env and --cwd; shim shutdown --api-version", async () => {
  const { ctr, daemon, line } = bench.now;
  await line(["run", "-d", "--null-io", busybox, "se", "sleep", "1000"]);
  const spec = join(daemon.dir, "exec.json");
  const args = ["sh", "-c", "echo out; echo err >&2"];
  await writeFile(spec, JSON.stringify({ args, cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } }));
  const streams = ["stdin", "stdout", "stderr"].flatMap((name) => [`--${name}`, join(daemon.dir, `se-${name}`)]);
  const exec = ["shim", "--id", "se", "exec", "--spec", spec, ...streams, "--attach"];
  const said = await ctr([...exec, "--env", "IGNORED=1", "--cwd", "/ignored", "e1"]);
  expect(said.code).toBe(0);
  expect(said.stderr).toContain("err\n");
  const third = await ctr(["shim", "--id", "se", "shutdown", "--api-version", "3"]);
  expect(third.stderr).toStartWith("ctr: rpc error: code = Unimplemented desc = service containerd.task.v3.Task");
  await ctr(["tasks", "delete", "-f", "se"]);
  await line(["containers", "rm", "se"]);
});
