import { expect, test } from "bun:test";
import fc from "fast-check";
import { capabilitiesOfMask } from "./capabilities.ts";
import { defaultSpec } from "./default-spec.ts";
import { encodeSpec } from "./encode.ts";
import { mergeEnv } from "./env.ts";
import { parseMount } from "./mounts.ts";
import { parseIdMapping, withNamespace } from "./namespaces.ts";
import { applySpecOptions, type SpecContext } from "./option.ts";
import { type RunOnlyRequest, type SpecRequest, specOptions } from "./run-options.ts";
import type { Spec } from "./types.ts";
import { resolveUser, withUser } from "./user.ts";

const files: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home:/bin/sh\n",
  "etc/group": "root:x:0:\nweb:x:1001:\nextra:x:10:web,root\nadm:x:29:web\n",
};

const context: SpecContext = {
  namespace: "default",
  id: "x",
  rootfs: {
    async readFile(path) {
      const text = files[path];
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
  },
  host: {
    hostname: "host1",
    architecture: "amd64",
    kernel: [6, 1],
    realPath: async (path) => path,
    loadAppArmor: async () => undefined,
    parseYaml: (text) => JSON.parse(text),
    effectiveCapabilities: async () => ["CAP_CHOWN", "CAP_SYS_ADMIN"],
    readFile: async () => new TextEncoder().encode("A=1\n# note\n\nB=2\n"),
    async stat(path) {
      if (path === "/dev") return { kind: "directory", names: ["null", "pts", "console"] };
      if (path === "/dev/null") {
        return { kind: "device", device: { type: "c", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 } };
      }
      return { kind: "other" };
    },
  },
};

const nothing: SpecRequest = {
  args: [],
  envFile: "",
  env: [],
  mount: [],
  readOnly: false,
  cwd: "",
  user: "",
  tty: false,
  privileged: false,
  netHost: false,
  annotation: [],
  capAdd: [],
  capDrop: [],
  seccomp: false,
  seccompProfile: "",
  apparmorDefaultProfile: "",
  apparmorProfile: "",
  withNs: [],
  allowNewPrivsGiven: false,
  memoryLimit: 0n,
  cpuQuota: -1n,
  cpuPeriod: 0n,
  device: [],
  gpus: [],
  rootfsPropagation: "",
  blockioConfigFile: "",
  blockioClass: "",
  rdtClass: "",
  hostname: "",
  label: {},
};

const runOnly: RunOnlyRequest = {
  privilegedWithoutHostDevices: false,
  uidmap: [],
  gidmap: [],
  cpus: 0,
  cpuShares: 1024,
  cpusetCpus: "",
  cpusetMems: "",
  cgroup: undefined,
  rlimitNofile: "",
};

const image = { env: ["PATH=/bin", "FOO=bar"], entrypoint: ["/entry"], cmd: ["arg"], workingDir: "/w", user: "" };

async function build(change: Partial<SpecRequest>): Promise<Spec> {
  const options = specOptions({ ...nothing, image, ...change });
  return applySpecOptions(defaultSpec({ namespace: "default", id: "x" }), options, context);
}

type Probe = (spec: Spec) => unknown;

test.each<[string, Partial<SpecRequest>, Probe, unknown]>([
  ["takes the image's words", {}, (s) => s.process?.args, ["/entry", "arg"]],
  ["replaces the image's words, entrypoint included", { args: ["sh"] }, (s) => s.process?.args, ["sh"]],
  ["takes the image's directory", {}, (s) => s.process?.cwd, "/w"],
  ["lays --env over the image", { env: ["FOO=new", "A=1"] }, (s) => s.process?.env, ["PATH=/bin", "FOO=new", "A=1"]],
  ["never unsets the image's environment", { env: ["FOO"] }, (s) => s.process?.env, ["PATH=/bin", "FOO=bar"]],
  ["reads --env-file", { envFile: "f" }, (s) => s.process?.env, ["PATH=/bin", "FOO=bar", "A=1", "B=2"]],
  ["appends TERM for -t", { tty: true }, (s) => s.process?.env?.at(-1), "TERM=xterm"],
  ["makes the root read-only", { readOnly: true }, (s) => s.root, { path: "rootfs", readonly: true }],
  ["uses root's groups without a user", {}, (s) => s.process?.user, { uid: 0, gid: 0, additionalGids: [0, 10] }],
  [
    "looks a user up",
    { user: "web" },
    (s) => s.process?.user,
    { uid: 1000, gid: 1001, additionalGids: [1001, 10, 29] },
  ],
  [
    "finds no groups for user:group",
    { user: "web:adm" },
    (s) => s.process?.user,
    { uid: 1000, gid: 29, additionalGids: [29] },
  ],
  ["drops noNewPrivileges", { allowNewPrivsGiven: true }, (s) => s.process?.noNewPrivileges, undefined],
  ["keeps noNewPrivileges when privileged", { privileged: true }, (s) => s.process?.noNewPrivileges, true],
  [
    "gives the caller's capabilities",
    { privileged: true },
    (s) => s.process?.capabilities?.bounding,
    ["CAP_CHOWN", "CAP_SYS_ADMIN"],
  ],
  ["unmasks when privileged", { privileged: true }, (s) => s.linux?.maskedPaths, undefined],
  [
    "adds host devices when privileged",
    { privileged: true },
    (s) => s.linux?.devices?.map((d) => d.path),
    ["/dev/null"],
  ],
  [
    "allows all devices when privileged",
    { privileged: true },
    (s) => s.linux?.resources?.devices,
    [{ allow: true, access: "rwm" }],
  ],
  [
    "shares the host's network",
    { netHost: true },
    (s) => s.linux?.namespaces?.map((n) => n.type),
    ["pid", "ipc", "uts", "mount"],
  ],
  ["names the host", { netHost: true }, (s) => s.process?.env?.at(-1), "HOSTNAME=host1"],
  [
    "adds a capability once",
    { capAdd: ["CAP_NET_ADMIN", "CAP_CHOWN"] },
    (s) => s.process?.capabilities?.bounding?.length,
    15,
  ],
  [
    "drops a capability",
    { capDrop: ["CAP_CHOWN"] },
    (s) => s.process?.capabilities?.effective?.includes("CAP_CHOWN"),
    false,
  ],
  ["writes quota and period both", { cpuQuota: 5000n }, (s) => s.linux?.resources?.cpu, { quota: 5000n, period: 0n }],
  ["shares CPUs for run", { run: runOnly }, (s) => s.linux?.resources?.cpu, { shares: 1024 }],
  [
    "counts --cpus in periods",
    { run: { ...runOnly, cpuShares: 0, cpus: 1.5 } },
    (s) => s.linux?.resources?.cpu,
    { period: 100000, quota: 150000 },
  ],
  ["limits memory", { memoryLimit: 1n }, (s) => s.linux?.resources?.memory, { limit: 1n }],
  ["drops the cgroup", { run: { ...runOnly, cgroup: "" } }, (s) => s.linux?.cgroupsPath, undefined],
  ["names the cgroup", { run: { ...runOnly, cgroup: "/c" } }, (s) => s.linux?.cgroupsPath, "/c"],
  [
    "limits open files",
    { run: { ...runOnly, rlimitNofile: "5:9" } },
    (s) => s.process?.rlimits,
    [{ type: "RLIMIT_NOFILE", hard: 9, soft: 5 }],
  ],
  ["ignores --uidmap alone", { run: { ...runOnly, uidmap: ["0:1:2"] } }, (s) => s.linux?.uidMappings, undefined],
  ["annotates with labels last", { annotation: ["a=1"], label: { a: "2" } }, (s) => s.annotations, { a: "2" }],
  [
    "adds a device and its rule",
    { device: ["/dev/null"] },
    (s) => s.linux?.resources?.devices?.at(-1),
    { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
  ],
  ["sets the RDT class", { rdtClass: "c" }, (s) => s.linux?.intelRdt, { closID: "c" }],
  [
    "puts a mount in a default's place",
    { mount: ["type=tmpfs,dst=/run"] },
    (s) => s.mounts?.filter((m) => m.destination === "/run"),
    [{ destination: "/run", type: "tmpfs" }],
  ],
  [
    "refuses clone flags without CAP_SYS_ADMIN",
    { seccomp: true },
    (s) => s.linux?.seccomp?.syscalls?.at(-1),
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
  ],
])("specOptions() %s", async (_what, change, probe, wanted) => {
  expect(probe(await build(change))).toEqual(wanted);
});

test.each<[string, Partial<SpecRequest>]>([
  ["invalid mount specification: expected key=val", { mount: ["x"] }],
  ['mount option "foo" not supported', { mount: ["foo=1"] }],
  ["invalid key=value format annotation: a", { annotation: ["a"] }],
  ["capabilities must be specified with 'CAP_' prefix", { capAdd: ["NET_ADMIN"] }],
  ["seccomp must be set to true, if using a custom seccomp-profile", { seccompProfile: "f" }],
  ["apparmor-profile conflicts with apparmor-default-profile", { apparmorProfile: "a", apparmorDefaultProfile: "b" }],
  ["cpus and quota/period should be used separately", { cpuQuota: 1n, run: { ...runOnly, cpus: 1 } }],
  ["joining a Linux namespace using --with-ns requires the format 'nstype:path'", { withNs: ["x"] }],
  ["the Linux namespace type specified in --with-ns is not valid: foo", { withNs: ["foo:/x"] }],
  [
    "can't use 'privileged-without-host-devices' without 'privileged' specified",
    { run: { ...runOnly, privilegedWithoutHostDevices: true } },
  ],
  ['get device path: "/etc/passwd" containerPath: "" error: not a device node', { device: ["/etc/passwd"] }],
  ["CDI device injection failed: unresolvable CDI devices v.com/c=x", { device: ["v.com/c=x"] }],
  ["no users found", { user: "nobody" }],
  ["no groups found", { user: "web:nogroup" }],
  ["invalid USER value a:b:c", { user: "a:b:c" }],
])("specOptions() refuses with %s", async (message, change) => {
  await expect(build(change)).rejects.toThrow(message);
});

test("specOptions() gives no environment without an image", async () => {
  const spec = await applySpecOptions(defaultSpec({ namespace: "n", id: "x" }), specOptions(nothing), context);
  expect(spec.process?.env).toEqual([]);
});

test("parseMount() reads quoted fields", () => {
  expect(parseMount('type=bind,"src=/a,b",destination=/c,options=ro:rbind')).toEqual({
    destination: "/c",
    type: "bind",
    source: "/a,b",
    options: ["ro", "rbind"],
  });
  expect(() => parseMount('"src=/a')).toThrow(/quoted-field/);
});

test.each(["z", "Z"])("R7: parseMount() refuses the option %s, and no other with that letter", (option) => {
  const text = (options: string) => `type=bind,src=/a,dst=/b,options=${options}`;
  expect(() => parseMount(text(`rbind:ro:${option}`))).toThrow(
    /^cannot mount \/a on \/b: the option . asks to relabel/,
  );
  expect(parseMount(text(`rbind:${option}ero`))).toMatchObject({ options: ["rbind", `${option}ero`] });
});

test("mergeEnv() replaces in place, appends and unsets", () => {
  expect(mergeEnv(["A=1", "B=2"], ["B=3", "C=4", "A"])).toEqual(["B=3", "C=4"]);
});

test.each<[string, Partial<SpecRequest>]>([
  ["a plain container", {}],
  ["a privileged one", { privileged: true }],
  ["one with a capability more", { capAdd: ["CAP_SYS_ADMIN"] }],
  ["one with a capability less", { capDrop: ["CAP_CHOWN"] }],
])("R10: %s inherits no capability, and gets no ambient one", async (_what, change) => {
  const { capabilities } = (await build(change)).process ?? {};
  expect(capabilities?.bounding?.length).toBeGreaterThan(0);
  expect([capabilities?.inheritable ?? [], capabilities?.ambient ?? []]).toEqual([[], []]);
});

test.each<[string, readonly number[]]>([
  ["web", [1001, 10, 29]],
  ["1000", [1001, 10, 29]],
  ["5", [0]],
  ["5:6", [6]],
  ["web:adm", [29]],
  [":29", [29]],
])("R13: the groups of the user %s begin with its own", async (user, additionalGids) => {
  const spec = await build({ user });
  expect(spec.process?.user.additionalGids).toEqual(additionalGids);
  expect(spec.process?.user.gid).toBe(additionalGids[0] ?? -1);
});

test("R14: what containerd hides of the kernel is hidden", async () => {
  const { linux } = await build({});
  expect(linux?.maskedPaths?.toSorted()).toEqual([
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
  ]);
  expect(linux?.readonlyPaths).toEqual(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]);
});

const odd: Readonly<Record<string, string>> = {
  "etc/passwd":
    "wraps:x:4294967296:0::/:\nminus:x:-1:0::/:\nhuge:x:99999999999999999999:0::/:\ngroup:x:7:4294967296::/:\nlisted:x:8:8::/:\n",
  "etc/group": "wraps:x:4294967296:listed\nminus:x:-1:\n",
};
const oddRootfs = { readFile: async (path: string) => new TextEncoder().encode(odd[path]) };

test.each([
  ["the first number that is none", "2147483648"],
  ["what wraps to root", "4294967296"],
  ["what wraps to root, as a group", "0:4294967296"],
  ["minus one", "-1"],
  ["a number beyond all precision", "9".repeat(400)],
  ["a name whose uid in the image's passwd wraps to root", "wraps"],
  ["a name whose uid there is minus one", "minus"],
  ["a name whose uid there is beyond precision", "huge"],
  ["a name whose gid there wraps to root", "group"],
  ["a number whose gid there wraps to root", "7"],
  ["a group whose gid wraps to root", "1:wraps"],
  ["a group whose gid is minus one", "1:minus"],
])("R15: resolveUser() refuses %s", async (_what, text) => {
  await expect(resolveUser(text, oddRootfs)).rejects.toThrow(/invalid USER value ".*": [ug]id out of range/);
});

test("R15: a group that lists the user and wraps to root is refused", async () => {
  const wanted = applySpecOptions(defaultSpec({ namespace: "n", id: "x" }), [withUser("listed")], {
    ...context,
    rootfs: oddRootfs,
  });
  await expect(wanted).rejects.toThrow('invalid USER value "wraps": gid out of range');
});

test("R15: resolveUser() gives an id of the kernel's, or refuses, whatever is asked", async () => {
  const text = fc.oneof(
    fc.string(),
    fc.bigInt().map(String),
    fc.tuple(fc.bigInt(), fc.bigInt()).map((ids) => ids.join(":")),
  );
  await fc.assert(
    fc.asyncProperty(text, async (any) => {
      const user = await resolveUser(any, oddRootfs).catch(() => ({ uid: 0, gid: 0 }));
      for (const id of [user.uid, user.gid]) expect(Number.isInteger(id) && id >= 0 && id < 2 ** 31).toBe(true);
    }),
  );
});

test.each([
  ["/proc/self/fd/7"],
  ["/proc/thread-self/fd/8/../../x"],
  ["//proc/./1/fd"],
  ["/a/../proc/self/root"],
  ["/proc/1/task/1/cwd/x"],
])("R20: an image may not start in %s", async (workingDir) => {
  await expect(build({ image: { ...image, workingDir } })).rejects.toThrow("invalid working directory");
});

test("resolveUser() reads no file for numbers", async () => {
  const rootfs = { readFile: () => Promise.reject(new Error("must not be read")) };
  expect(await resolveUser("5:6", rootfs)).toEqual({ uid: 5, gid: 6 });
});

test("withNamespace() replaces a namespace in its place", async () => {
  const spec = await withNamespace("ipc:/i")(defaultSpec({ namespace: "n", id: "x" }), context);
  expect(spec.linux?.namespaces?.[1]).toEqual({ type: "ipc", path: "/i" });
});

test("parseIdMapping() takes three numbers and nothing else", () => {
  expect(parseIdMapping("0:1000:10")).toEqual({ containerID: 0, hostID: 1000, size: 10 });
  expect(() => parseIdMapping("0:1000")).toThrow(/require the format/);
});

test("capabilitiesOfMask() names the bits", () => {
  expect(capabilitiesOfMask((1n << 40n) | 1n)).toEqual(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]);
});

test("encodeSpec() writes members in Go's order, however they were laid", () => {
  const spec: Spec = {
    linux: { namespaces: [] },
    process: { cwd: "/", user: { gid: 1, uid: 0 } },
    ociVersion: "1",
    annotations: { b: "2", a: "1" },
  };
  expect(new TextDecoder().decode(encodeSpec(spec))).toBe(
    '{"ociVersion":"1","process":{"user":{"uid":0,"gid":1},"cwd":"/"},"annotations":{"a":"1","b":"2"},"linux":{"namespaces":[]}}',
  );
});
