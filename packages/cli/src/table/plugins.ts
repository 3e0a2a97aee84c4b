import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, quietFlag } from "../flag.ts";
import { runtimeFlags } from "./shared-flags.ts";

export const list = declareCommand("list", "List the daemon's plugins", {
  aliases: ["ls"],
  flags: () => ({ ...quietFlag("plugin ids"), detailed: bool("all details of every plugin", { alias: "d" }) }),
});
export const inspectRuntime = declareCommand("inspect-runtime", "Print what a runtime tells of itself, as JSON", {
  usage: "[flags]",
  description: "asks the daemon, which asks the shim; containerd 2.0 and shims of 1.7 or later can answer",
  flags: runtimeFlags,
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(list, async () => (await import("../commands/plugins/list.ts")).listCommand),
  entry(inspectRuntime, async () => (await import("../commands/plugins/inspect-runtime.ts")).inspectCommand),
];
