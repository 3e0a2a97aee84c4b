import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { mustRun, run } from "../support/process.ts";
import { busybox, sharedBench } from "./setup.ts";

/** What a process sees inside: flags, its words, what it prints. `$DIR` is the daemon's directory, `$PID` this process. */
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
  [["--cap-add", "CAP_SYS_ADMIN"], "mount -t tmpfs x /tmp && echo yes", "yes\n"],
  [[], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"],
  [["--allow-new-privs"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0\n"],
  [["--env", "A=1", "--env", "B=2,3"], "echo $A $B", "1 2,3\n"],
  [["--with-ns", "uts:/proc/$PID/ns/uts"], "hostname", `${hostname()}\n`],
  [["--device", "/dev/fuse"], "stat -c %t:%T /dev/fuse", "a:e5\n"],
  [["--device", "$DIR/nodes"], "stat -c %t:%T $DIR/nodes/a $DIR/nodes/below/b", "1:3\n1:5\n"],
  [["--seccomp"], "grep Seccomp: /proc/self/status", "Seccomp:\t2\n"],
  [
    ["--seccomp", "--seccomp-profile", "$DIR/no-mkdir"],
    "mkdir /x 2>/dev/null || echo no; touch /y && echo yes",
    "no\nyes\n",
  ],
  [
    ["--mount", "type=tmpfs,dst=/scratch,options=size=64k:noexec"],
    "grep -c '/scratch tmpfs .*noexec.*size=64k' /proc/mounts",
    "1\n",
  ],
  [
    ["--mount", "type=bind,src=$DIR/shared,dst=/data,options=bind:rw"],
    "echo x >/data/new; cat /data/new; rm /data/new",
    "x\n",
  ],
  [
    ["--mount", "type=tmpfs,dst=/dev/shm,options=mode=700"],
    "grep -c /dev/shm /proc/mounts; stat -c %a /dev/shm",
    "1\n700\n",
  ],
  [["--mount", '"type=bind","src=$DIR/with,comma","dst=/data","options=rbind:ro"'], "ls /data", "inside\n"],
  [
    ["--uidmap", "0:7000:70000", "--gidmap", "0:7000:70000", "--remap-labels"],
    "stat -c %u:%g /bin/sh; touch /x; id -u",
    "0:0\n0\n",
  ],
  [["--uidmap", "0:7000:70000", "--gidmap", "0:7000:70000"], "stat -c %u:%g /bin/sh; id -u", "0:0\n0\n"],
];

let next = 0;
describe.each(["containerd", "embedded"] as const)("on %s", (engine) => {
  const bench = sharedBench(`run-${engine}`, engine);
  beforeAll(async () => {
    await bench.open();
    const { dir } = bench.now.daemon;
    // A mapped root must be able to walk down to its rootfs.
    await chmod(dir, 0o711);
    for (const name of ["shared", "with,comma", "nodes/below"]) await mkdir(join(dir, name), { recursive: true });
    await writeFile(join(dir, "shared/file"), "from the host\n");
    await writeFile(join(dir, "with,comma/inside"), "");
    await writeFile(join(dir, "env"), "FROM_FILE=1\n# a comment\n\nSECOND=two words\n");
    const mkdirFails = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
    const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [mkdirFails] };
    await writeFile(join(dir, "no-mkdir"), JSON.stringify(profile));
    await mustRun(["mknod", join(dir, "nodes/a"), "c", "1", "3"]);
    await mustRun(["mknod", join(dir, "nodes/below/b"), "c", "1", "5"]);
  });
  afterAll(bench.close);

  test.each(effects)("run %p is felt inside: %s", async (flags, script, expected) => {
    const { line, daemon } = bench.now;
    const net = (await run(["readlink", "/proc/self/ns/net"])).stdout.trim();
    const fill = (word: string) => word.replaceAll("$DIR", daemon.dir).replaceAll("$PID", `${process.pid}`);
    const out = await line(["run", "--rm", ...flags.map(fill), busybox, `e${next++}`, "sh", "-c", fill(script)]);
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

  test("run --rootfs: the directory itself is the root filesystem, and keeps what was done in it", async () => {
    const { line, daemon } = bench.now;
    const rootfs = join(daemon.dir, "rootfs");
    await mkdir(join(rootfs, "bin"), { recursive: true });
    await copyFile("/bin/busybox", join(rootfs, "bin/sh"));
    expect(
      await line(["run", "--rm", "--rootfs", rootfs, "rooted", "/bin/sh", "-c", "echo kept >/made; echo told"]),
    ).toBe("told\n");
    expect(await readFile(join(rootfs, "made"), "utf8")).toBe("kept\n");
    expect(await line(["snapshots", "ls"])).not.toContain("rooted");
  });

  test("run --log-uri: a file, and a program of the user's that outlives the command", async () => {
    const { ctr, line, daemon } = bench.now;
    const [file, taken, logger] = ["run.log", "taken.log", "logger"].map((name) => join(daemon.dir, name));
    await writeFile(logger ?? "", `#!/bin/sh\ncat <&3 >${taken} 5>&- &\nexec 5>&-\nwait\n`, { mode: 0o755 });
    expect(await line(["run", "--rm", "--log-uri", `file://${file}`, busybox, "logged", "echo", "one"])).toBe("");
    expect(await readFile(file ?? "", "utf8")).toBe("one\n");
    await line(["run", "-d", "--log-uri", `binary://${logger}`, busybox, "logged", "sh", "-c", "echo two; sleep 1000"]);
    while ((await readFile(taken ?? "", "utf8").catch(() => "")) !== "two\n");
    await ctr(["tasks", "rm", "-f", "logged"]);
    await line(["containers", "rm", "logged"]);
  });

  test("run --fifo-dir and --pid-file: FIFOs are made there and go with the task; the file names its process", async () => {
    const { ctr, line, daemon } = bench.now;
    const fifos = join(daemon.dir, "fifos");
    const pidFile = join(daemon.dir, "piped.pid");
    await mkdir(fifos);
    await line(["run", "-d", "--fifo-dir", fifos, "--pid-file", pidFile, busybox, "piped", "sleep", "1000"]);
    const pid = await readFile(pidFile, "utf8");
    expect(await readFile(`/proc/${pid}/cmdline`, "utf8")).toBe("sleep\x001000\0");
    const [directory = ""] = await readdir(fifos);
    expect((await readdir(join(fifos, directory))).sort()).toEqual(["piped-stderr", "piped-stdin", "piped-stdout"]);
    await ctr(["tasks", "rm", "-f", "piped"]);
    expect(await readdir(fifos)).toEqual([]);
    await line(["containers", "rm", "piped"]);
  });

  test("run --detach: tasks attach takes over its streams, and again after a client that was killed", async () => {
    const { command, ctr, line } = bench.now;
    await line(["run", "-d", busybox, "left", "sh", "-c", "echo first; read a; echo got $a; read b; exit $b"]);
    const first = Bun.spawn([...command("tasks", "attach", "left")], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    const reader = first.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first\n");
    first.kill("SIGKILL");
    await first.exited;
    expect(await ctr(["tasks", "attach", "left"], { stdin: "typed\n7\n" })).toMatchObject({
      code: 7,
      stdout: "got typed\n",
    });
    await line(["containers", "rm", "left"]);
  });

  test("run --cpus and --cpu-shares: the numbers stand in the cgroup; --cgroup= leaves the place to the runtime", async () => {
    const { ctr, line, namespace, daemon } = bench.now;
    const cgroup = `/${namespace}/cpu`;
    await line([
      "run",
      "-d",
      "--null-io",
      "--cpus",
      "0.5",
      "--cpu-shares",
      "300",
      "--cgroup",
      cgroup,
      busybox,
      "half",
      "sleep",
      "1000",
    ]);
    const read = (name: string) => readFile(`/sys/fs/cgroup/cpu${cgroup}/${name}`, "utf8");
    expect(await Promise.all(["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"].map(read))).toEqual([
      "50000\n",
      "100000\n",
      "300\n",
    ]);
    const pidFile = join(daemon.dir, "none.pid");
    await line(["run", "-d", "--null-io", "--cgroup", "", "--pid-file", pidFile, busybox, "none", "sleep", "1000"]);
    expect(await readFile(`/proc/${await readFile(pidFile, "utf8")}/cgroup`, "utf8")).not.toContain(namespace);
    for (const id of ["half", "none"]) await ctr(["tasks", "rm", "-f", id]);
    await line(["containers", "rm", "half", "none"]);
  });
});

describe("settings of the environment", () => {
  const bench = sharedBench("run-env");
  beforeAll(bench.open);
  afterAll(bench.close);

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
});
