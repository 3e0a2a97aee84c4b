import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackDeb } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { type Bench, benchEngines, busybox, removeContainers, sharedBench } from "./setup.ts";

// What these flags ask of the host is given to our command alone: /etc and the kernel's files are laid over in a mount
// namespace of its own.

describe.each(benchEngines)("on %s", (_title, engine) => {
  const bench = sharedBench(`host-${engine}`, engine);
  let dir: string;
  beforeAll(async () => {
    await bench.open();
    dir = await mkdtemp(join(tmpdir(), "ctr-host-flags-"));
    for (const name of ["etc", "work", "security", "bin"]) await mkdir(join(dir, name));
  });
  afterEach(async () => {
    await removeContainers(bench.now);
    await rm(join(dir, "etc"), { recursive: true });
    await mkdir(join(dir, "etc"));
  });
  afterAll(async () => {
    await bench.close();
    await rm(dir, { recursive: true });
  });

  const command = (words: readonly string[]) => bench.now.command(...words);
  const ctr: Bench["ctr"] = (words, options) => bench.now.ctr(words, options);
  const line: Bench["line"] = (words) => bench.now.line(words);
  /** With the files of `etc` over those of /etc, and `more` done before. */
  const onHost = (words: readonly string[], more = "true") => {
    const overlay = `mount -t overlay -o lowerdir=/etc,upperdir=${dir}/etc,workdir=${dir}/work overlay /etc`;
    return run(["unshare", "--mount", "sh", "-c", `${overlay} && ${more} && exec "$0" "$@"`, ...command(words)]);
  };
  const describeDevices = async (name: string, spec: unknown) => {
    await mkdir(join(dir, "etc", "cdi"), { recursive: true });
    await writeFile(join(dir, "etc", "cdi", name), typeof spec === "string" ? spec : JSON.stringify(spec));
  };

  test("run --device gives what the vendor describes: node, environment, mount, group and hook", async () => {
    await writeFile(join(dir, "given"), "from the host\n");
    await describeDevices(
      "vendor.yaml",
      [
        "cdiVersion: 0.7.0",
        "kind: ctr-test.org/thing",
        "containerEdits:",
        `  hooks: [{hookName: createRuntime, path: /bin/sh, args: [sh, -c, "cat >${dir}/hook-saw"]}]`,
        "devices:",
        "- name: one",
        "  containerEdits:",
        "    env: [THING=one]",
        "    deviceNodes: [{path: /dev/thing, hostPath: /dev/null}]",
        `    mounts: [{hostPath: ${dir}/given, containerPath: /given, options: [ro, rbind]}]`,
        "    additionalGids: [4242]",
      ].join("\n"),
    );
    const script = "echo $THING; id -G; stat -c %t:%T /dev/thing; echo lost >/dev/thing; cat /given; touch /given";
    const words = ["run", "--rm", "--device", "ctr-test.org/thing=one", "--device", "/dev/fuse"];
    const { code, stdout, stderr } = await onHost([...words, busybox, "cdi", "sh", "-c", `ls /dev/fuse; ${script}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "/dev/fuse\none\n0 10 4242\n1:3\nfrom the host\n" });
    expect(stderr).toContain("Read-only file system");
    expect(JSON.parse(await readFile(join(dir, "hook-saw"), "utf8"))).toMatchObject({ status: "creating" });
  });

  test("containers create --device keeps the edits in the spec", async () => {
    const device = { name: "x", containerEdits: { env: ["A=1"], deviceNodes: [{ path: "/dev/null" }] } };
    await describeDevices("v.json", { cdiVersion: "0.5.0", kind: "ctr-test.org/thing", devices: [device] });
    expect(await onHost(["containers", "create", "--device", "ctr-test.org/thing=x", busybox, "made"])).toMatchObject({
      code: 0,
    });
    const spec = JSON.parse(await line(["containers", "info", "--spec", "made"]));
    expect(spec.process.env).toContain("A=1");
    expect(spec.linux.devices).toEqual([{ path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 0o666 }]);
  });

  test("run --device of what nobody describes makes nothing and says what is wrong with the file", async () => {
    await describeDevices("bad.json", { cdiVersion: "0.5.0", kind: "ctr-test.org/thing", devices: [] });
    const { code, stderr } = await onHost(["run", "--device", "ctr-test.org/thing=x", busybox, "none", "true"]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        "ctr: CDI device injection failed: unresolvable CDI devices ctr-test.org/thing=x\n" +
        "hint: cannot use CDI spec (file /etc/cdi/bad.json): devices is wrong: there are none\n",
    });
    expect(await line(["containers", "ls", "-q"])).toBe("");
    expect(await line(["snapshots", "ls"])).not.toContain("none");
  });

  // No GPU here: the description has the shape NVIDIA's tool writes, its hook a program that tells it was called.
  test.each([
    ["run", ["run", "--rm"], ["sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES; ls /dev/nvidia0"]],
    ["containers create", ["containers", "create"], []],
  ])("%s --gpus takes the vendor's description of that number, shown with a stand-in", async (_what, verb, args) => {
    const hook = join(dir, "bin", "nvidia-cdi-hook");
    await writeFile(hook, `#!/bin/sh\necho "$@" >${dir}/hook-args\n`, { mode: 0o755 });
    await describeDevices(
      "nvidia.yaml",
      [
        "---",
        "cdiVersion: 0.5.0",
        "kind: nvidia.com/gpu",
        "containerEdits:",
        "  env: [NVIDIA_VISIBLE_DEVICES=void]",
        `  hooks: [{hookName: createRuntime, path: ${hook}, args: [nvidia-cdi-hook, update-ldcache]}]`,
        "devices:",
        '- name: "0"',
        "  containerEdits: {deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/null}]}",
      ].join("\n"),
    );
    const { code, stdout, stderr } = await onHost([...verb, "--gpus", "0", busybox, "gpu", ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    if (verb[0] === "run") {
      expect(stdout).toBe("void\n/dev/nvidia0\n");
      expect(await readFile(join(dir, "hook-args"), "utf8")).toBe("update-ldcache\n");
    } else {
      const spec = JSON.parse(await line(["containers", "info", "--spec", "gpu"]));
      expect(spec.hooks.createRuntime).toEqual([{ path: hook, args: ["nvidia-cdi-hook", "update-ldcache"] }]);
      expect(spec.linux.devices).toMatchObject([{ path: "/dev/nvidia0", major: 1, minor: 3 }]);
    }
  });

  test("run --gpus without a description says how to get one", async () => {
    const { code, stderr } = await onHost(["run", "--gpus", "0", busybox, "none", "true"]);
    expect(code).toBe(1);
    expect(stderr).toStartWith("ctr: detect GPU vendor failed: no known GPU vendor detected in CDI specs");
    expect(stderr).toContain("\nhint: describe the GPUs first: nvidia-ctk cdi generate");
    expect(await line(["containers", "ls", "-q"])).toBe("");
  });

  const blockIo = () => join(dir, "blockio.yaml");
  test("run --blockio-class holds the container's disks back", async () => {
    const loop = "Devices: ['/dev/loop[0]']";
    await writeFile(
      blockIo(),
      `Classes:\n  slow:\n  - {${loop}, ThrottleReadBps: 1M, ThrottleWriteIOPS: 1k}\n  - Weight: 200\n`,
    );
    const cgroup = `/${bench.now.namespace}-blockio`;
    const flags = ["--blockio-config-file", blockIo(), "--blockio-class", "slow", "--cgroup", cgroup];
    await line(["run", "-d", "--null-io", ...flags, busybox, "slow", "sleep", "1000"]);
    const v1 = `/sys/fs/cgroup/blkio${cgroup}`;
    const limits = existsSync(v1)
      ? await mustRun([
          "sh",
          "-c",
          `cd ${v1}; cat blkio.throttle.read_bps_device blkio.throttle.write_iops_device blkio*weight`,
        ])
      : await readFile(`/sys/fs/cgroup${cgroup}/io.max`, "utf8");
    const wanted = existsSync(v1) ? "7:0 1000000\n7:0 1000\n200\n" : "7:0 rbps=1000000 wbps=max riops=max wiops=1000\n";
    expect(limits).toBe(wanted);
  });

  test("containers create --blockio-class keeps the class's limits in the spec", async () => {
    await writeFile(blockIo(), "Classes: {a: [{Weight: 100}], b: [{Weight: 900}]}");
    const flags = ["--blockio-config-file", blockIo(), "--blockio-class", "b"];
    await line(["containers", "create", ...flags, busybox, "io"]);
    expect(JSON.parse(await line(["containers", "info", "--spec", "io"])).linux.resources.blockIO).toEqual({
      weight: 900,
    });
  });

  test.each([
    [
      "no such class",
      ["--blockio-class", "c"],
      'blockio-class error: no OCI BlockIO parameters for class "c"',
      "the file has a, b",
    ],
    [
      "no such file",
      ["--blockio-config-file", "/nonexistent"],
      'blockio-config-file error: failed to read config file "/nonexistent"',
      "",
    ],
  ])("run with %s is refused and makes nothing", async (_what, flags, message, hint) => {
    await writeFile(blockIo(), "Classes: {a: [], b: []}");
    const { code, stderr } = await ctr(["run", "--blockio-config-file", blockIo(), ...flags, busybox, "none", "true"]);
    expect(code).toBe(1);
    expect(stderr).toStartWith(`ctr: ${message}`);
    expect(stderr).toContain(hint);
    expect(await line(["containers", "ls", "-q"])).toBe("");
  });

  test("run --apparmor-default-profile names what this kernel lacks", async () => {
    // Where the test machine has it, the flag is to work.
    const flags = ["--apparmor-default-profile", "ctr-test-default"];
    const { code, stderr } = await ctr(["run", "--rm", ...flags, busybox, "aa", "true"]);
    if (existsSync("/sys/kernel/security/apparmor")) expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    else {
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr:
          "ctr: open /sys/kernel/security/apparmor/profiles: no such file or directory\n" +
          "hint: this kernel runs without AppArmor: start it with apparmor=1 security=apparmor, or leave the flag out\n",
      });
    }
    expect(await line(["containers", "ls", "-q"])).toBe("");
  });

  /** A kernel's list of profiles, and Debian's own parser, which stops short of the kernel. */
  const withAppArmor = async (profiles: string) => {
    const parser = join(dir, "apparmor");
    if (!existsSync(parser)) await unpackDeb("apparmor", parser);
    const real = `${parser}/sbin/apparmor_parser -Q --base ${parser}/etc/apparmor.d -M ${parser}/etc/apparmor.d/abi/3.0`;
    const script = `#!/bin/sh\necho "$@" >${dir}/parser-args; cat >${dir}/profile; exec ${real} -K ${dir}/profile\n`;
    await writeFile(join(dir, "bin", "apparmor_parser"), script, { mode: 0o755 });
    await mkdir(join(dir, "security", "apparmor"), { recursive: true });
    await writeFile(join(dir, "security", "apparmor", "profiles"), profiles);
    return `mount --bind ${dir}/security /sys/kernel/security && export PATH=${dir}/bin:$PATH`;
  };

  test("containers create --apparmor-default-profile loads a profile that AppArmor's parser takes, shown with a stand-in kernel", async () => {
    const kernel = await withAppArmor("other (enforce)\n");
    const words = ["containers", "create", "--apparmor-default-profile", "ctr-test", busybox, "confined"];
    const { code, stderr } = await onHost(words, kernel);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await readFile(join(dir, "parser-args"), "utf8")).toBe("-Kr\n");
    expect(await readFile(join(dir, "profile"), "utf8")).toContain(
      "profile ctr-test flags=(attach_disconnected,mediate_deleted) {",
    );
    const spec = JSON.parse(await line(["containers", "info", "--spec", "confined"]));
    expect(spec.process.apparmorProfile).toBe("ctr-test");
  });

  test("containers create --apparmor-default-profile loads nothing where a profile of that name is loaded", async () => {
    const kernel = await withAppArmor("ctr-test (enforce)\n");
    await rm(join(dir, "parser-args"), { force: true });
    const words = ["containers", "create", "--apparmor-default-profile", "ctr-test", busybox, "confined"];
    expect(await onHost(words, kernel)).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(join(dir, "parser-args"))).toBe(false);
  });
});
