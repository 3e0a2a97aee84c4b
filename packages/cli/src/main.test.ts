import { expect, test } from "bun:test";
import { runCtr } from "./main.ts";
import type { Output } from "./streams.ts";

async function run(words: string, env: Record<string, string> = {}) {
  const texts = ["", ""];
  const output = (fd: 1 | 2): Output => ({
    fd,
    isTerminal: () => false,
    async write(chunk) {
      texts[fd - 1] += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    },
  });
  const stdin = { fd: 0, isTerminal: () => false, async *chunks() {} };
  const around = { stdin, stdout: output(1), stderr: output(2), env };
  const code = await runCtr(words === "" ? [] : words.split(" "), around);
  return { code, stdout: texts[0] ?? "", stderr: texts[1] ?? "" };
}

const specHelp = `NAME:
   ctr oci spec - Print the spec a container starts from

USAGE:
   ctr oci spec [command options]

OPTIONS:
   --platform value  platform as os/arch[/variant]
   --help, -h        show help
`;

test.each(["oci spec --help", "oci spec -h", "oci spec help", "oci spec h", "oci help spec"])(
  "runCtr(%p) prints the command's help and exits 0",
  async (words) => {
    expect(await run(words)).toEqual({ code: 0, stdout: specHelp, stderr: "" });
  },
);

test("runCtr() tells a bad flag on both streams, with the help between", async () => {
  const error = "flag provided but not defined: -x";
  expect(await run("oci spec -x")).toEqual({
    code: 1,
    stdout: `Incorrect Usage: ${error}\n\n${specHelp}`,
    stderr: `ctr: ${error}\n`,
  });
});

test.each([
  ["bogus", "bogus"],
  ["images bogus", "bogus"],
  ["help bogus", "bogus"],
  ["content fetch-nothing", "fetch-nothing"],
  ["sandbox-nothing", "sandbox-nothing"],
])("runCtr(%p) exits 3 for a command that is not there", async (words, word) => {
  expect(await run(words)).toEqual({ code: 3, stdout: "", stderr: `No help topic for '${word}'\n` });
});

test("runCtr() refuses a global flag behind the command", async () => {
  expect((await run("images -n x ls")).stderr).toBe("ctr: flag provided but not defined: -n\n");
});

test("runCtr() shows the help of a missing required flag only without arguments", async () => {
  const stderr = 'ctr: Required flag "exec-id" not set\n';
  expect(await run("tasks exec x")).toEqual({ code: 1, stdout: "", stderr });
  expect((await run("tasks exec")).stdout).toStartWith("NAME:\n   ctr tasks exec - ");
});

test("runCtr() completes words of a group", async () => {
  const { stdout } = await run("namespaces --generate-bash-completion");
  expect(stdout).toBe("create\nc\nlist\nls\nremove\nrm\nlabel\nhelp\nh\n");
  expect((await run("images pull --generate-bash-completion")).stdout).toBe("");
});

test("runCtr() shows slices, values, defaults and environment as the Go tool lays them out", async () => {
  const { stdout } = await run("run --help");
  expect(stdout).toContain("\n   ctr run [command options] [flags] Image|RootFS ID [COMMAND] [ARG...]\n");
  expect(stdout).toMatch(/\n {3}--rm {2,}\S.* \(default: false\)\n/);
  expect(stdout).toMatch(/\n {3}--env value \[ --env value \] {2,}/);
  expect(stdout).toMatch(/\n {3}--tty, -t {2,}/);
  expect(stdout).toMatch(/ \(default: "io\.containerd\.runc\.v2"\)\n/);
  expect(stdout).toMatch(/\n {3}--snapshotter value {2,}.* \[\$CONTAINERD_SNAPSHOTTER\]\n/);
  expect(stdout).toMatch(/ \(default: 1024\)\n/);
});

test.each([
  ["run", "image ref must be provided"],
  ["run img", "container id must be provided"],
  ["run --config f", "container id must be provided"],
  ["run --config f id cmd", "with spec config file, only container id should be provided"],
  ["run --rm -d img id", "flags --detach and --rm cannot be specified together"],
  ["run -t --null-io img id", "tty and null-io cannot be used together"],
  ["containers create", "image ref must be provided: invalid argument"],
  ["containers create img", "container id must be provided: invalid argument"],
  ["containers info", "container id must be provided: invalid argument"],
  ["tasks start", "container id must be provided"],
  ["tasks kill", "container id must be provided"],
  ["tasks kill -a --exec-id e x", "specify an exec-id or all; not both"],
  ["tasks exec --exec-id e", "container id must be provided"],
  ["images pull", "please provide an image reference to pull"],
  ["images push", "please provide a remote image reference to push"],
  ["images pull --tlscert c ref", "flags --tlscert and --tlskey must be set together"],
  ["images export f", "please provide both an output filename and an image reference to export"],
  ["images tag a", "please provide an image reference to tag to"],
  ["images unmount", "please provide a target path to unmount from"],
  ["content get", "invalid checksum digest format"],
  ["content ingest", "must specify a transaction reference"],
  ["content edit --validate x d", "validating the edit result not supported"],
  ["snapshots diff", "snapshot id must be provided"],
  ["snapshots unpack x", "invalid checksum digest format"],
  ["namespaces create", "please specify a namespace"],
])("runCtr(%p) fails with %s before it connects", async (words, message) => {
  const { code, stdout, stderr } = await run(`--address /nowhere ${words}`);
  expect({ code, stdout, line: stderr.split("\n")[0] }).toEqual({ code: 1, stdout: "", line: `ctr: ${message}` });
});

test("runCtr() says which socket is not there, with one hint", async () => {
  const { code, stderr } = await run("--address /nowhere/c.sock namespaces ls");
  expect(code).toBe(1);
  expect(stderr).toStartWith(
    "ctr: cannot access socket /nowhere/c.sock: stat /nowhere/c.sock: no such file or directory",
  );
  expect(stderr.split("\n").filter((line) => line.startsWith("hint: "))).toHaveLength(1);
});

test("oci spec prints what ctr 1.6 printed, but for version and powercap", async () => {
  const golden = await Bun.file(new URL("../testdata/oci-spec-1.6.json", import.meta.url)).text();
  const { stdout } = await run("oci spec");
  const powercap = '            "/sys/devices/virtual/powercap",\n';
  expect(stdout).toContain(powercap);
  expect(stdout.replace('"1.3.0"', '"1.0.2-dev"').replace(powercap, "")).toBe(golden);
});
