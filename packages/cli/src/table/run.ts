import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, float64, int, string, stringSlice } from "../flag.ts";
import { containerFlags } from "./shared-flags.ts";
import { words } from "./words.ts";

/** `ctr run`, with more flags than all other commands of the top level. */
export const run = declareCommand(words.run.name, words.run.summary, {
  usage: "[flags] Image|RootFS ID [COMMAND] [ARG...]",
  flags: () => ({
    rm: bool("delete the container when it ends"),
    "null-io": bool("throw all output away"),
    "log-uri": string("where the shim writes the output, as file:///path or binary:///path"),
    detach: bool("return once it is started", { alias: "d" }),
    "fifo-dir": string("directory for the FIFOs of the streams"),
    cgroup: string("cgroup path; empty for no cgroup"),
    platform: string("platform of the image to run, as os/arch[/variant]"),
    cni: bool("connect it to the network that CNI is configured for"),
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
    ...containerFlags(),
  }),
  ownArgs: true,
});

/** It and its code. */
export const runEntry: Entry = entry(run, async () => (await import("../commands/run.ts")).runCommand);
