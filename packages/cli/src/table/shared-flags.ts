import { bool, int64, intSlice, string, stringSlice, uint64 } from "../flag.ts";

/** `--snapshotter`, wherever one may be chosen. */
export const snapshotterFlag = () => ({
  snapshotter: string("snapshotter to use; empty for the default", { env: "CONTAINERD_SNAPSHOTTER" }),
});

/** `--label`, repeatable. */
export const labelFlag = (target: string) => ({
  label: stringSlice(`label for ${target}, key=value or key`),
});

/** How a registry is reached and who asks. */
export const registryFlags = () => ({
  "skip-verify": bool("accept any TLS certificate", { alias: "k" }),
  "plain-http": bool("speak HTTP instead of HTTPS to the registry"),
  user: string("registry user, as user[:password]", { alias: "u" }),
  refresh: string("refresh token for the authorization server"),
  "hosts-dir": string("directory of per-registry hosts.toml files"),
  tlscacert: string("file of root certificates to trust"),
  tlscert: string("file of the client certificate"),
  tlskey: string("file of the client key"),
  "http-dump": bool("log every HTTP request and response of the registry"),
  "http-trace": bool("log connections and name look-ups"),
});

/** Which platforms of an index are meant. */
export const platformFlags = () => ({
  platform: stringSlice("platform as os/arch[/variant]; may be repeated"),
  "all-platforms": bool("every platform of the image"),
});

/** Which runtime, and how it is set up. */
export const runtimeFlags = () => ({
  runtime: string("name of the runtime, or path of a shim", { default: "io.containerd.runc.v2" }),
  "runtime-config-path": string("configuration file handed to a runtime other than runc"),
  "runc-binary": string("runc executable to use"),
  "runc-root": string("directory in which runc keeps its state"),
  "runc-systemd-cgroup": bool("let systemd make the cgroup"),
});

/** How the spec, the record and the runtime of a new container are made; `run` and `containers create`. */
export const containerFlags = () => ({
  ...runtimeFlags(),
  ...snapshotterFlag(),
  "snapshotter-label": stringSlice("label for the container's snapshot"),
  config: string("OCI spec file to use as it is", { alias: "c" }),
  cwd: string("working directory of the process"),
  env: stringSlice("environment variable as NAME=value"),
  "env-file": string("file of NAME=value lines"),
  label: stringSlice("label for the container, key=value or key"),
  annotation: stringSlice("OCI annotation as key=value"),
  mount: stringSlice("mount as type=bind,src=/host,dst=/in,options=rbind:ro"),
  "net-host": bool("use the host's network"),
  privileged: bool("all capabilities, all devices, nothing masked"),
  "read-only": bool("make the root filesystem read-only"),
  sandbox: string("sandbox to join"),
  tty: bool("give the process a terminal", { alias: "t" }),
  "with-ns": stringSlice("existing Linux namespace to join, as type:path"),
  "pid-file": string("file to write the process id to"),
  gpus: intSlice("GPU to add, by number"),
  "allow-new-privs": bool("let the process gain privileges"),
  "memory-limit": uint64("memory limit in bytes"),
  "cap-add": stringSlice("Linux capability to add"),
  "cap-drop": stringSlice("Linux capability to take away"),
  seccomp: bool("filter system calls by the built-in profile"),
  "seccomp-profile": string("file of the seccomp profile to use; needs --seccomp"),
  "apparmor-default-profile": string("load the built-in AppArmor profile under this name and use it"),
  "apparmor-profile": string("loaded AppArmor profile to use"),
  "blockio-config-file": string("file that defines the block I/O classes"),
  "blockio-class": string("block I/O class of the container"),
  "rdt-class": string("Intel RDT class of the container"),
  hostname: string("host name inside the container"),
  user: string("user of the process, as name or uid, with :group if wanted", { alias: "u" }),
  rootfs: bool("the first argument is a directory to use as root filesystem"),
  "no-pivot": bool("do not use pivot_root"),
  "cpu-quota": int64("CPU time per period, in microseconds", { default: -1n }),
  "cpu-period": uint64("length of a CPU period, in microseconds"),
  "rootfs-propagation": string("mount propagation of the root filesystem"),
  device: stringSlice("host device, directory of devices or CDI name"),
});
