import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { run } from "../support/process.ts";
import { busybox, sharedBench } from "./setup.ts";

const bench = sharedBench("run");
beforeAll(async () => {
  await bench.open();
  const { dir } = bench.now.daemon;
  // A mapped root must be able to walk down to its rootfs.
  await chmod(dir, 0o711);
  await mkdir(join(dir, "shared"));
  await writeFile(join(dir, "shared/file"), "from the host\n");
  await writeFile(join(dir, "env"), "FROM_FILE=1\n# a comment\n\nSECOND=two words\n");
});
afterAll(bench.close);

/** What a process sees inside: flags, its words, what it prints. `$DIR` is the daemon's directory. */
const effects: readonly (readonly [readonly string[], string, string])[] = [
  [["--hostname", "box"], "hostname", "box\n"],
  [["--user", "app"], "id -u; id -g", "1000\n1001\n"],
  [["--user", "12:34"], "id -u; id -g", "12\n34\n"],
  [["--rlimit-nofile", "100:200"], "ulimit -Sn; ulimit -Hn", "100\n200\n"],
  [["--cpuset-cpus", "0"], "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t0\n"],
  [["--read-only"], "touch /x 2>/dev/null || echo refused", "refused\n"],
  [[], "touch /x && echo allowed", "allowed\n"],
  [["--env-file", "$DIR/env"], "echo $FROM_FILE $SECOND", "1 two words\n"],
  [["--cwd", "/tmp"], "pwd", "/tmp\n"],
  [["--mount", "type=bind,src=$DIR/shared,dst=/data,options=rbind:ro"], "cat /data/file", "from the host\n"],
  [["--mount", "type=bind,src=$DIR/shared,dst=/data,options=rbind:ro"], "touch /data/x 2>/dev/null || echo ro", "ro\n"],
  [["--net-host"], "readlink /proc/self/ns/net; echo $HOSTNAME", `$NET\n${hostname()}\n`],
  [["--privileged"], "grep -c . /proc/kcore >/dev/null 2>&1 & kill $!; mount -t tmpfs x /tmp && echo yes", "yes\n"],
  [[], "mount -t tmpfs x /tmp 2>/dev/null || echo no", "no\n"],
  [["--cap-drop", "CAP_CHOWN"], "touch /f; chown 1 /f 2>/dev/null || echo no", "no\n"],
  [["--uidmap", "0:7000:70000", "--gidmap", "0:7000:70000"], "stat -c %u:%g /bin/sh; id -u", "0:0\n0\n"],
];

let next = 0;
test.each(effects)("run %p is felt inside: %s", async (flags, script, expected) => {
  const { line, daemon } = bench.now;
  const net = (await run(["readlink", "/proc/self/ns/net"])).stdout.trim();
  const filled = flags.map((word) => word.replaceAll("$DIR", daemon.dir));
  const out = await line(["run", "--rm", ...filled, busybox, `e${next++}`, "sh", "-c", script]);
  expect(out).toBe(expected.replace("$NET", net));
});

test("run --memory-limit and --cgroup: the limit stands in that cgroup", async () => {
  const { line, ctr, namespace } = bench.now;
  const cgroup = `/${namespace}/own`;
  const words = ["--memory-limit", "67108864", "--cgroup", cgroup];
  await line(["run", "-d", "--null-io", ...words, busybox, "limited", "sleep", "1000"]);
  expect(await readFile(`/sys/fs/cgroup/memory${cgroup}/memory.limit_in_bytes`, "utf8")).toBe("67108864\n");
  await ctr(["tasks", "rm", "-f", "limited"]);
  await line(["containers", "rm", "limited"]);
});

test("run --uidmap: the process has the mapped id on the host", async () => {
  const { line, ctr, daemon } = bench.now;
  const pidFile = join(daemon.dir, "mapped.pid");
  const maps = ["--uidmap", "0:7000:70000", "--gidmap", "0:7000:70000", "--pid-file", pidFile];
  await line(["run", "-d", "--null-io", ...maps, busybox, "mapped", "sleep", "1000"]);
  expect((await stat(`/proc/${await readFile(pidFile, "utf8")}`)).uid).toBe(7000);
  await ctr(["tasks", "rm", "-f", "mapped"]);
  await line(["containers", "rm", "mapped"]);
});

test("run --dump-config: the spec of the record, as a file", async () => {
  const { line, daemon } = bench.now;
  const file = join(daemon.dir, "dumped.json");
  await line(["run", "--dump-config", file, busybox, "dumped", "true"]);
  const dumped = await readFile(file, "utf8");
  expect(dumped).toStartWith('{\n  "ociVersion"');
  expect(JSON.parse(dumped)).toEqual(JSON.parse(await line(["containers", "info", "--spec", "dumped"])));
  await line(["containers", "rm", "dumped"]);
});

test.each([
  ["exit 42", 42],
  ["kill -9 $$", 137],
  ["kill -15 $$; sleep 1000", 143],
] as const)("run passes on how %p ended", async (script, code) => {
  const { ctr } = bench.now;
  // Without another process above it, a shell is init and immune: its child is the one that ends.
  const outcome = await ctr(["run", "--rm", busybox, `c${next++}`, "sh", "-c", `sh -c '${script}'; exit $?`]);
  expect({ code: outcome.code, stderr: outcome.stderr.replace(/^(Killed|Terminated)\n/, "") }).toEqual({
    code,
    stderr: "",
  });
});

test("run --null-io throws output away", async () => {
  expect(await bench.now.line(["run", "--rm", "--null-io", busybox, "null", "echo", "unseen"])).toBe("");
});

test("CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE and CONTAINERD_SNAPSHOTTER stand for their flags", async () => {
  const { daemon, namespace, line } = bench.now;
  const env = {
    CONTAINERD_ADDRESS: daemon.address,
    CONTAINERD_NAMESPACE: namespace,
    CONTAINERD_SNAPSHOTTER: "native",
  };
  expect((await run([ourCtr, "containers", "create", busybox, "by-env"], { env })).code).toBe(0);
  expect(JSON.parse(await line(["containers", "info", "by-env"]))).toMatchObject({ Snapshotter: "native" });
  await line(["containers", "rm", "by-env"]);
});

test.each([
  ["CONTAINERD_NAMESPACE", "namespace is required: failed precondition"],
  ["CONTAINERD_ADDRESS", "cannot access socket : stat : no such file or directory"],
])("an empty %s counts as given", async (name, message) => {
  const env = { CONTAINERD_ADDRESS: bench.now.daemon.address, [name]: "" };
  const { code, stderr } = await run([ourCtr, "containers", "ls"], { env });
  expect(code).toBe(1);
  expect(stderr.split("\n")[0]).toEndWith(message);
});
