import { declareCommand } from "../command.ts";
import { bool, duration, float64, int, string, stringSlice } from "../flag.ts";
import { containerFlags, quietFlag } from "./shared-flags.ts";

/** Where containerd listens unless told otherwise. */
export const DEFAULT_ADDRESS = "/run/containerd/containerd.sock";

/** Flags that stand before the command word. */
export const globalFlags = {
  debug: bool("log debug messages"),
  address: string("socket of the containerd to talk to", {
    alias: "a",
    default: DEFAULT_ADDRESS,
    env: "CONTAINERD_ADDRESS",
  }),
  timeout: duration("give up on the whole command after this time; 0 for never"),
  "connect-timeout": duration("give up connecting after this time; 0 for ten seconds"),
  namespace: string("containerd namespace to work in", {
    alias: "n",
    default: "default",
    env: "CONTAINERD_NAMESPACE",
  }),
};

export const pluginsList = declareCommand("list", "List the daemon's plugins", {
  aliases: ["ls"],
  flags: { ...quietFlag("plugin ids"), detailed: bool("all details of every plugin", { alias: "d" }) },
});
export const version = declareCommand("version", "Show the versions of ctr and of the daemon");
export const info = declareCommand("info", "Print facts about the daemon as JSON");
export const events = declareCommand("events", "Follow containerd's events", { aliases: ["event"] });
export const ociSpec = declareCommand("spec", "Print the spec a container starts from", {
  flags: { platform: string("platform as os/arch[/variant]") },
});
export const run = declareCommand("run", "Create a container, start it and wait for its end", {
  usage: "[flags] Image|RootFS ID [COMMAND] [ARG...]",
  flags: {
    rm: bool("delete the container when it ends"),
    "null-io": bool("throw all output away"),
    "log-uri": string("where the shim writes the output, as file:///path or binary:///path"),
    detach: bool("return once it is started", { alias: "d" }),
    "fifo-dir": string("directory for the FIFOs of the streams"),
    cgroup: string("cgroup path; empty for no cgroup"),
    platform: string("platform of the image to run, as os/arch[/variant]"),
    cni: bool("connect it to the CNI network"),
    "sync-fs": bool("write everything to disk after unpacking"),
    "dump-config": string("file to save the container's spec to"),
    uidmap: stringSlice("user ids as container-id:host-id:size; needs --gidmap"),
    gidmap: stringSlice("group ids as container-id:host-id:size; needs --uidmap"),
    "remap-labels": bool("let the snapshotter shift the ids"),
    "privileged-without-host-devices": bool("with --privileged: leave out the host's devices"),
    cpus: float64("CPUs it may use, such as 1.5"),
    "cpu-shares": int("relative weight in sharing the CPUs", { default: 1024 }),
    "cpuset-cpus": string("CPUs it may run on, such as 0-2,5"),
    "cpuset-mems": string("memory nodes it may use"),
    "rlimit-nofile": string("limit of open files, as soft[:hard]"),
    ...containerFlags,
  },
  ownArgs: true,
});
export const serve = declareCommand("serve", "Serve the embedded engine to clients of containerd", {
  description: "the store is the one --address embedded:///some/root names; containers go on when the server ends",
  flags: {
    listen: string("socket to listen on", { alias: "l", default: "/run/ctr/ctr.sock" }),
  },
});
