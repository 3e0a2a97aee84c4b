import { expect, test } from "bun:test";
import { defaultSpec } from "../default-spec.ts";
import { encodeSpec } from "../encode.ts";
import { applySpecOptions, type HostEntry, type SpecHost } from "../option.ts";
import type { Spec } from "../types.ts";
import { parseCdiName } from "./device-name.ts";
import { openCdiRegistry } from "./registry.ts";
import { withCdiDevices } from "./with-devices.ts";

const nodes: Readonly<Record<string, HostEntry>> = {
  "/dev/null": { kind: "device", device: { type: "c", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 } },
  "/dev/loop0": { kind: "device", device: { type: "b", major: 7, minor: 0, mode: 0o660, uid: 0, gid: 6 } },
  "/etc/passwd": { kind: "other" },
};

/** A host with these files; a value that is no text stands for its JSON. */
function hostWith(files: Readonly<Record<string, unknown>>): SpecHost {
  return {
    hostname: "host",
    architecture: "amd64",
    kernel: [6, 1],
    effectiveCapabilities: async () => [],
    realPath: async (path) => path,
    loadAppArmor: async () => undefined,
    parseYaml: (text) => Bun.YAML.parse(text),
    async readFile(path) {
      const value = files[path];
      return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
    },
    async stat(path) {
      const names = Object.keys(files)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1));
      const entry = names.length > 0 ? { kind: "directory" as const, names } : nodes[path];
      if (entry === undefined) throw new Error(`stat ${path}: no such file or directory`);
      return entry;
    },
  };
}

const envOf = (name: string, value = "1") => ({ name, containerEdits: { env: [`${name.toUpperCase()}=${value}`] } });
const fileOf = (devices: readonly unknown[], more: object = {}) => ({
  cdiVersion: "1.1.0",
  kind: "vendor.com/class",
  devices,
  ...more,
});
const editsFile = (containerEdits: object) => ({ "/etc/cdi/v.json": fileOf([{ name: "d", containerEdits }]) });

async function inject(
  files: Readonly<Record<string, unknown>>,
  names: readonly string[],
  base: Partial<Spec> = {},
  gpus: readonly number[] = [],
): Promise<Spec> {
  const id = { namespace: "default", id: "x" };
  const rootfs = { readFile: async () => undefined };
  const start = { ...defaultSpec(id), ...base };
  return applySpecOptions(start, [withCdiDevices(names, gpus)], { ...id, rootfs, host: hostWith(files) });
}

test.each([
  ["vendor.com/class=name", { vendor: "vendor.com", class: "class", name: "name" }],
  ["v/c=0:1.2", { vendor: "v", class: "c", name: "0:1.2" }],
  ["v.com/a.b-c_d=all", { vendor: "v.com", class: "a.b-c_d", name: "all" }],
  ["/dev/null", undefined],
  ["/dev/disk/by-id/x=y", undefined],
  ["vendor.com/class", undefined],
  ["vendor.com=x", undefined],
  ["1vendor/class=x", undefined],
  ["vendor-/class=x", undefined],
  ["vendor/class=", undefined],
  ["vendor/class=x:", undefined],
  ["vendor/c/d=x", undefined],
])("parseCdiName(%p) is %p", (text, wanted) => {
  expect(parseCdiName(text)).toEqual(wanted);
});

test("withCdiDevices() makes every kind of edit, those of the file once and first", async () => {
  const files = {
    "/etc/cdi/v.json": fileOf(
      [
        {
          name: "one",
          containerEdits: {
            env: ["B=one", "C=1"],
            deviceNodes: [{ path: "/dev/one", hostPath: "/dev/null", permissions: "rw", gid: 44 }],
            mounts: [{ hostPath: "/lib/v", containerPath: "/usr/lib/v", options: ["ro", "bind"] }],
            additionalGids: [44, 0],
            intelRdt: { closID: "gold", schemata: ["L3:0=f"] },
            netDevices: [{ hostInterfaceName: "veth1", name: "net1" }],
          },
        },
        { name: "two", containerEdits: { env: ["C=2"], deviceNodes: [{ path: "/dev/loop0", permissions: "none" }] } },
      ],
      {
        containerEdits: {
          env: ["A=all", "B=all"],
          hooks: [
            { hookName: "createContainer", path: "/usr/bin/hook", args: ["hook", "x"], env: ["H=1"], timeout: 5 },
          ],
        },
      },
    ),
  };
  const names = ["vendor.com/class=one", "vendor.com/class=two"];
  const { process, linux, mounts, hooks } = await inject(files, names);
  expect(process?.env?.slice(-3)).toEqual(["A=all", "B=one", "C=2"]);
  expect(process?.user.additionalGids).toEqual([44]);
  expect(linux?.devices).toEqual([
    { path: "/dev/one", type: "c", major: 1, minor: 3, fileMode: 0o666, gid: 44 },
    { path: "/dev/loop0", type: "b", major: 7, minor: 0, fileMode: 0o660 },
  ]);
  expect(linux?.resources?.devices?.slice(-2)).toEqual([
    { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
    { allow: true, type: "b", major: 7, minor: 0 },
  ]);
  expect(linux?.intelRdt).toEqual({ closID: "gold", schemata: ["L3:0=f"] });
  expect(linux?.netDevices).toEqual({ veth1: { name: "net1" } });
  expect(mounts?.at(-1)).toEqual({ destination: "/usr/lib/v", source: "/lib/v", options: ["ro", "bind"] });
  expect(hooks).toEqual({
    createContainer: [{ path: "/usr/bin/hook", args: ["hook", "x"], env: ["H=1"], timeout: 5 }],
  });
});

test("withCdiDevices() puts mounts nearer to the root first and one in the place of another", async () => {
  const mounts = ["/a/b/c", "/dev/shm", "/z"].map((containerPath) => ({ hostPath: "/h", containerPath }));
  const spec = await inject(editsFile({ mounts }), ["vendor.com/class=d"]);
  const places = spec.mounts?.map(({ destination }) => destination);
  expect(places).toEqual(["/proc", "/dev", "/sys", "/run", "/z", "/dev/pts", "/dev/mqueue", "/dev/shm", "/a/b/c"]);
});

test("withCdiDevices() gives nodes to the process' user and maps the ids of binds in a user namespace", async () => {
  const edits = {
    deviceNodes: [{ path: "/dev/null" }],
    mounts: [
      { hostPath: "/a", containerPath: "/1", options: ["rbind"] },
      { hostPath: "/b", containerPath: "/2", type: "bind" },
      { hostPath: "/c", containerPath: "/3", options: ["bind", "ridmap"] },
      { hostPath: "tmpfs", containerPath: "/4", type: "tmpfs" },
    ],
  };
  const base = {
    process: { cwd: "/", user: { uid: 1000, gid: 1001 } },
    linux: { namespaces: [{ type: "user" }] },
    mounts: [],
  };
  const { linux, mounts } = await inject(editsFile(edits), ["vendor.com/class=d"], base);
  expect(linux?.devices).toEqual([
    { path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 1000, gid: 1001 },
  ]);
  expect(mounts?.map(({ options }) => options)).toEqual([
    ["rbind", "ridmap"],
    ["idmap"],
    ["bind", "ridmap"],
    undefined,
  ]);
});

test("withCdiDevices() takes a node that the host lacks where it is described in full", async () => {
  const node = { path: "/dev/absent", type: "c", major: 195, minor: 255 };
  const { linux } = await inject(editsFile({ deviceNodes: [node] }), ["vendor.com/class=d"]);
  expect(linux?.devices).toEqual([node]);
});

test.each([
  [
    "a node that is not there",
    { path: "/dev/absent" },
    'failed to stat CDI host device "/dev/absent": stat /dev/absent: no such file',
  ],
  ["one that is none", { path: "/etc/passwd" }, 'failed to stat CDI host device "/etc/passwd": not a device node'],
  ["one of another kind", { path: "/dev/x", hostPath: "/dev/null", type: "b" }, "host type mismatch (b, c)"],
])("withCdiDevices() refuses %s", async (_what, node, message) => {
  const running = inject(editsFile({ deviceNodes: [node] }), ["vendor.com/class=d"]);
  await expect(running).rejects.toThrow(`CDI device injection failed: failed to inject devices: `);
  await expect(inject(editsFile({ deviceNodes: [node] }), ["vendor.com/class=d"])).rejects.toThrow(message);
});

test("openCdiRegistry() reads JSON and YAML, the later directory over the earlier one", async () => {
  const yaml =
    "---\ncdiVersion: 0.5.0\nkind: vendor.com/class\ndevices:\n- name: a\n  containerEdits:\n    env:\n    - A=dynamic\n";
  const host = hostWith({
    "/etc/cdi/one.json": fileOf([envOf("a", "static"), envOf("b", "static")]),
    "/etc/cdi/notes.txt": "not a description",
    "/var/run/cdi/two.yaml": yaml,
  });
  const registry = await openCdiRegistry(host);
  expect(registry.find("vendor.com/class=a")?.edits.env).toEqual(["A=dynamic"]);
  expect(registry.find("vendor.com/class=b")?.edits.env).toEqual(["B=static"]);
  expect([registry.faults, [...registry.vendors]]).toEqual([[], ["vendor.com"]]);
});

test("openCdiRegistry() counts a device that two files of a directory describe as none, and says so", async () => {
  const twice = { "/etc/cdi/1.json": fileOf([envOf("a")]), "/etc/cdi/2.json": fileOf([envOf("a"), envOf("b")]) };
  const registry = await openCdiRegistry(hostWith(twice));
  expect(registry.find("vendor.com/class=a")).toBeUndefined();
  expect(registry.find("vendor.com/class=b")?.edits.env).toEqual(["B=1"]);
  expect(registry.faults.map(({ message }) => message)).toEqual([
    "cannot use CDI spec (file /etc/cdi/2.json): /etc/cdi/1.json describes vendor.com/class=a as well",
  ]);
  // A later directory settles it.
  const settled = await openCdiRegistry(hostWith({ ...twice, "/var/run/cdi/3.json": fileOf([envOf("a", "3")]) }));
  expect(settled.find("vendor.com/class=a")?.edits.env).toEqual(["A=3"]);
});

test("withCdiDevices() names devices that nobody describes, with what is wrong with a file as the hint", async () => {
  const running = inject({ "/etc/cdi/bad.json": "{" }, ["vendor.com/class=a", "x.org/y=z"]);
  await expect(running).rejects.toMatchObject({
    message: "CDI device injection failed: unresolvable CDI devices vendor.com/class=a, x.org/y=z",
    fix: expect.stringContaining("cannot use CDI spec (file /etc/cdi/bad.json)"),
  });
});

test.each([
  ["nvidia.com", ["NVIDIA.COM=3"]],
  ["amd.com", ["AMD.COM=3"]],
])("withCdiDevices() numbers the GPUs of %s", async (vendor, wanted) => {
  const device = { name: "3", containerEdits: { env: [`${vendor.toUpperCase()}=3`] } };
  const file = { cdiVersion: "0.5.0", kind: `${vendor}/gpu`, devices: [device] };
  const { process } = await inject({ "/var/run/cdi/gpu.json": file }, [], {}, [3]);
  expect(process?.env?.slice(-1)).toEqual(wanted);
  await expect(inject({ "/var/run/cdi/gpu.json": file }, [], {}, [0])).rejects.toThrow(
    `unresolvable CDI devices ${vendor}/gpu=0`,
  );
});

test("withCdiDevices() prefers NVIDIA's GPUs and refuses those of nobody", async () => {
  const gpu = (kind: string) => ({
    cdiVersion: "0.5.0",
    kind,
    devices: [{ name: "0", containerEdits: { env: [`K=${kind}`] } }],
  });
  const both = { "/etc/cdi/a.json": gpu("amd.com/gpu"), "/etc/cdi/n.json": gpu("nvidia.com/gpu") };
  expect((await inject(both, [], {}, [0])).process?.env?.at(-1)).toBe("K=nvidia.com/gpu");
  await expect(inject({}, [], {}, [0])).rejects.toThrow(
    "detect GPU vendor failed: no known GPU vendor detected in CDI specs, only AMD and NVIDIA are supported",
  );
});

const device = envOf("d");
const withEdits = (edits: object) => fileOf([{ name: "d", containerEdits: edits }]);

test.each([
  ["no version", { ...fileOf([device]), cdiVersion: undefined }, '"" is no version known here'],
  ["a version to come", fileOf([device], { cdiVersion: "9.0.0" }), '"9.0.0" is no version known here'],
  ["a member of no version", fileOf([device], { extra: 1 }), "no version of CDI has such a member"],
  ["a kind without a vendor", fileOf([device], { kind: "class" }), '"class" is no vendor.com/class'],
  ["no device", fileOf([]), "there are none"],
  ["a device twice", fileOf([device, device]), '"d" is there twice'],
  ["a device without a name", fileOf([{ containerEdits: { env: ["A=1"] } }]), '"" is no name of a device'],
  ["a device without edits", fileOf([{ name: "d", containerEdits: {} }]), "they are empty"],
  ["environment that is none", withEdits({ env: ["=x"] }), '"=x" is no NAME=value'],
  ["a node without a path", withEdits({ deviceNodes: [{}] }), '"" is no absolute path'],
  ["a node that leads up", withEdits({ deviceNodes: [{ path: "/dev/../etc/x" }] }), "leads back up"],
  ["a kind of node", withEdits({ deviceNodes: [{ path: "/dev/x", type: "d" }] }), '"d" is no kind of device'],
  [
    "permissions",
    withEdits({ deviceNodes: [{ path: "/dev/x", permissions: "rx" }] }),
    '"rx" is not made of r, w and m',
  ],
  [
    "a relative place of a mount",
    withEdits({ mounts: [{ hostPath: "/x", containerPath: "y" }] }),
    '"y" is no absolute path',
  ],
  ["a mount of nothing", withEdits({ mounts: [{ containerPath: "/y" }] }), "it is empty"],
  ["a hook of no name", withEdits({ hooks: [{ hookName: "later", path: "/x" }] }), '"later" is no hook'],
  ["a hook by name", withEdits({ hooks: [{ hookName: "poststop", path: "sh" }] }), '"sh" is no absolute path'],
  [
    "a hook without time",
    withEdits({ hooks: [{ hookName: "poststop", path: "/x", timeout: 0 }] }),
    "it has to be above 0",
  ],
  ["a class that leads elsewhere", withEdits({ intelRdt: { closID: "a/b" } }), '"a/b" is no name of a class'],
  ["a group that is none", withEdits({ additionalGids: [-1] }), "-1 is no id"],
  [
    "an interface twice",
    withEdits({ netDevices: [1, 2].map((n) => ({ hostInterfaceName: `h${n}`, name: "x" })) }),
    'name "x" is there twice',
  ],
  ["an annotation of no name", fileOf([device], { annotations: { "a b": "c" } }), '"a b" is no name of an annotation'],
  [
    "types of mounts before 0.4.0",
    { ...withEdits({ mounts: [{ hostPath: "x", containerPath: "/x", type: "tmpfs" }] }), cdiVersion: "0.3.0" },
    "needs 0.4.0",
  ],
  ["a digit before 0.5.0", fileOf([envOf("0")], { cdiVersion: "0.4.0" }), "needs 0.5.0"],
  [
    "hostPath before 0.5.0",
    { ...withEdits({ deviceNodes: [{ path: "/dev/x", hostPath: "/dev/y" }] }), cdiVersion: "0.4.0" },
    "needs 0.5.0",
  ],
  ["annotations before 0.6.0", fileOf([device], { cdiVersion: "0.5.0", annotations: { a: "b" } }), "needs 0.6.0"],
  ["a dot in the class before 0.6.0", fileOf([device], { cdiVersion: "0.5.0", kind: "v.com/a.b" }), "needs 0.6.0"],
  ["groups before 0.7.0", { ...withEdits({ additionalGids: [5] }), cdiVersion: "0.6.0" }, "needs 0.7.0"],
  [
    "interfaces before 1.1.0",
    { ...withEdits({ netDevices: [{ hostInterfaceName: "a", name: "b" }] }), cdiVersion: "1.0.0" },
    "needs 1.1.0",
  ],
])("openCdiRegistry() passes over a file with %s", async (_what, file, why) => {
  const registry = await openCdiRegistry(
    hostWith({ "/etc/cdi/v.json": file, "/etc/cdi/w.json": fileOf([envOf("good")]) }),
  );
  expect(registry.faults.map(({ message }) => message)).toEqual([expect.stringContaining(why)]);
  expect(registry.find("vendor.com/class=d")).toBeUndefined();
  expect(registry.find("vendor.com/class=good")).toBeDefined();
});

test("encodeSpec() writes hooks and resctrl settings in Go's order", async () => {
  const hooks = [
    { hookName: "poststop", path: "/b" },
    { hookName: "prestart", path: "/a", timeout: 1, args: ["x"] },
  ];
  const spec = await inject(editsFile({ hooks, intelRdt: { memBwSchema: "MB", closID: "c" } }), ["vendor.com/class=d"]);
  const text = new TextDecoder().decode(encodeSpec(spec));
  expect(text).toContain('"hooks":{"prestart":[{"path":"/a","args":["x"],"timeout":1}],"poststop":[{"path":"/b"}]}');
  expect(text).toContain('"intelRdt":{"closID":"c","memBwSchema":"MB"}');
});
