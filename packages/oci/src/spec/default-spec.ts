import type { Spec, SpecDeviceRule, SpecMount } from "./types.ts";

/** Runtime-spec version written into specs made here. */
export const OCI_VERSION = "1.3.0";

/** Capabilities of a container that asked for nothing. */
export const defaultCapabilities: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
].map((name) => `CAP_${name}`);

const maskedPaths: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
  "/proc/scsi",
];

const readonlyPaths: readonly string[] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

function mount(destination: string, type: string, source: string, options: string): SpecMount {
  return { destination, type, source, options: options.split(",") };
}

const defaultMounts: readonly SpecMount[] = [
  mount("/proc", "proc", "proc", "nosuid,noexec,nodev"),
  mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
  mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
  mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
  mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
  mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
  mount("/run", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
];

/** The Linux spec every container starts from. `id` and `namespace` only name its cgroup. */
export function defaultSpec(names: { readonly namespace: string; readonly id: string }): Spec {
  const capabilities = {
    bounding: defaultCapabilities,
    effective: defaultCapabilities,
    permitted: defaultCapabilities,
  };
  return {
    ociVersion: OCI_VERSION,
    process: {
      user: { uid: 0, gid: 0 },
      cwd: "/",
      capabilities,
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    mounts: defaultMounts,
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      cgroupsPath: cgroupsPath(names),
      namespaces: ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type })),
      maskedPaths,
      readonlyPaths,
    },
  };
}

/** `/<namespace>/<id>`, cleaned: without an id it is the namespace's own directory. */
function cgroupsPath({ namespace, id }: { readonly namespace: string; readonly id: string }): string {
  return id === "" ? `/${namespace}` : `/${namespace}/${id}`;
}

/** Rules for the devices every container has: null, zero, full, tty, random, urandom, console, pts and ptmx. */
export const defaultDeviceRules: readonly SpecDeviceRule[] = [
  [1, 3],
  [1, 8],
  [1, 7],
  [5, 0],
  [1, 5],
  [1, 9],
  [5, 1],
  [136, undefined],
  [5, 2],
].map(([major, minor]) => ({
  allow: true,
  type: "c",
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
  access: "rwm",
}));

/** What a spec of another platform starts from. */
export function defaultSpecFor(os: string, names: { readonly namespace: string; readonly id: string }): Spec {
  if (os === "windows") return windowsSpec();
  if (os === "darwin")
    return { ociVersion: OCI_VERSION, process: { user: { uid: 0, gid: 0 }, cwd: "/" }, root: { path: "rootfs" } };
  return defaultSpec(names);
}

function windowsSpec(): Spec {
  const spec = { ociVersion: OCI_VERSION, process: { user: { uid: 0, gid: 0 }, cwd: "C:\\" }, windows: {} };
  return spec;
}
