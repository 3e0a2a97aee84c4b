import { expect, test } from "bun:test";
import { defaultDeviceRules, defaultSpec } from "./default-spec.ts";
import { restorableSpec } from "./restorable.ts";
import type { Spec } from "./types.ts";

const names = { namespace: "default", id: "new" };
const usual = defaultSpec({ namespace: "default", id: "old" });
/** The usual spec as JSON, so that what no type allows can be laid over it. */
const text = JSON.stringify({ ...usual, process: { ...usual.process, args: ["sh"], env: ["A=1"], terminal: true } });

type Change = (spec: Record<string, unknown>) => void;

function specWith(change: Change): Spec {
  const spec = JSON.parse(text);
  change(spec);
  return spec;
}

test("R19: restorableSpec() takes what a plain container has, and gives it a cgroup of its own", () => {
  const { spec, dropped, refused } = restorableSpec(
    specWith(() => undefined),
    names,
  );
  expect({ dropped, refused }).toEqual({ dropped: [], refused: [] });
  expect(spec.linux?.cgroupsPath).toBe("/default/new");
  expect(spec.process?.args).toEqual(["sh"]);
});

test("R19: restorableSpec() takes limits, usual device rules, fewer capabilities and containerd 1.6's masked paths", () => {
  const { refused } = restorableSpec(
    specWith((spec) => {
      const linux = spec["linux"] as Record<string, unknown>;
      linux["resources"] = { devices: [{ allow: false, access: "rwm" }, ...defaultDeviceRules], memory: { limit: 1 } };
      linux["maskedPaths"] = (usual.linux?.maskedPaths ?? []).filter((path) => !path.includes("powercap"));
      Object.assign(spec["process"] as object, { capabilities: { bounding: ["CAP_KILL"] } });
    }),
    names,
  );
  expect(refused).toEqual([]);
});

test("R19: restorableSpec() leaves every annotation out", () => {
  const annotations = { "cdi.k8s.io/gpu": "nvidia.com/gpu=all", "run.oci.handler": "wasm" };
  const { spec, dropped, refused } = restorableSpec(
    specWith((spec) => Object.assign(spec, { annotations })),
    names,
  );
  expect(spec).not.toHaveProperty("annotations");
  expect({ dropped, refused }).toEqual({ dropped: Object.keys(annotations), refused: [] });
});

const linux =
  (more: object): Change =>
  (spec) =>
    void Object.assign(spec["linux"] as object, more);
const process =
  (more: object): Change =>
  (spec) =>
    void Object.assign(spec["process"] as object, more);
const mount =
  (more: object): Change =>
  (spec) =>
    void (spec["mounts"] as object[]).push(more);
const namespaces = (more: readonly object[]) =>
  linux({ namespaces: ["pid", "ipc", "uts", "mount"].map((type): object => ({ type })).concat(more) });

test.each<[string, Change, string]>([
  ["a hook", (spec) => Object.assign(spec, { hooks: { prestart: [{ path: "/bin/sh" }] } }), "hooks"],
  [
    "a hook in the case that Go takes, too",
    (spec) => Object.assign(spec, { Hooks: { prestart: [{ path: "/x" }] } }),
    "Hooks",
  ],
  [
    "a directory of the host",
    mount({ destination: "/data", type: "bind", source: "/etc", options: ["rbind"] }),
    "mount of /etc on /data",
  ],
  [
    "the same under another type",
    mount({ destination: "/data", type: "tmpfs", source: "/etc", options: ["rbind"] }),
    "mount of /etc on /data",
  ],
  [
    "a type that any object has",
    mount({ destination: "/data", type: "constructor", source: "x" }),
    "mount of x on /data",
  ],
  [
    "a mount that others share",
    mount({ destination: "/data", type: "tmpfs", source: "x", options: ["rshared"] }),
    "mount of x on /data",
  ],
  ["a disk", mount({ destination: "/data", type: "ext4", source: "/dev/sda1" }), "mount of /dev/sda1 on /data"],
  [
    "a writable /sys",
    mount({ destination: "/sys", type: "sysfs", source: "sysfs", options: ["rw"] }),
    "writable sysfs on /sys",
  ],
  ["a capability", process({ capabilities: { bounding: ["CAP_SYS_ADMIN"] } }), "capability CAP_SYS_ADMIN"],
  ["an SELinux label", process({ selinuxLabel: "spc_t" }), "process.selinuxLabel"],
  ["another root", (spec) => Object.assign(spec, { root: { path: "/" } }), "root filesystem /"],
  ["the host's network", namespaces([]), "the host's network namespace"],
  ["somebody's network", namespaces([{ type: "network", path: "/proc/1/ns/net" }]), "network namespace /proc/1/ns/net"],
  ["the same in other case", namespaces([{ type: "network", Path: "/proc/1/ns/net" }]), "namespace Path"],
  ["a device", linux({ devices: [{ path: "/dev/sda", type: "b", major: 8, minor: 0 }] }), "linux.devices"],
  [
    "a rule for a device",
    linux({ resources: { devices: [{ allow: true, type: "b", major: 8, access: "rwm" }] } }),
    "device b 8 *",
  ],
  ["a rule for all", linux({ resources: { devices: [{ allow: true, access: "rwm" }] } }), "device a * *"],
  [
    "a rule that Go reads otherwise",
    linux({ resources: { devices: [{ allow: false, Allow: true }] } }),
    "device rule Allow",
  ],
  ["files of the cgroup", linux({ resources: { unified: { "memory.max": "1" } } }), "linux.resources.unified"],
  ["a setting of the kernel", linux({ sysctl: { "net.ipv4.ip_forward": "1" } }), "linux.sysctl"],
  [
    "who decides on system calls",
    linux({ seccomp: { defaultAction: "x", listenerPath: "/run/x" } }),
    "linux.seccomp.listenerPath",
  ],
  ["shared mounts", linux({ rootfsPropagation: "shared" }), "shared root filesystem"],
  ["unmasked paths", linux({ maskedPaths: ["/proc/acpi"] }), "unmasked /proc/kcore"],
  ["writable paths", linux({ readonlyPaths: undefined }), "writable /proc/sys"],
  ["no linux section", (spec) => Object.assign(spec, { linux: "" }), "the host's pid namespace"],
  ["a virtual machine", (spec) => Object.assign(spec, { vm: { hypervisor: { path: "/x" } } }), "vm"],
])("R19: restorableSpec() refuses %s", (_what, change, words) => {
  expect(restorableSpec(specWith(change), names).refused).toContain(words);
});
