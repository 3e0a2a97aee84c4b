import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, string, stringSlice } from "../flag.ts";

export const run = declareCommand("run", "Create a sandbox and start it", {
  aliases: ["create", "c", "r"],
  usage: "[flags] <pod-config.json> <sandbox-id>",
  flags: () => ({ runtime: string("name of the runtime, or path of a shim", { default: "io.containerd.runc.v2" }) }),
});
export const list = declareCommand("list", "List sandboxes", {
  aliases: ["ls"],
  flags: () => ({ filters: stringSlice("only those that pass; any of several") }),
});
export const remove = declareCommand("remove", "Stop sandboxes and delete them", {
  aliases: ["rm"],
  usage: "<id> [<id>, ...]",
  flags: () => ({ force: bool("go on where one cannot be stopped", { alias: "f" }) }),
});
export const info = declareCommand("info", "Print a sandbox's record as JSON", {
  aliases: ["i"],
  usage: "<sandbox id>",
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(run, async () => (await import("../commands/sandboxes/run.ts")).runCommand),
  entry(list, async () => (await import("../commands/sandboxes/list.ts")).listCommand),
  entry(remove, async () => (await import("../commands/sandboxes/remove.ts")).removeCommand),
  entry(info, async () => (await import("../commands/sandboxes/info.ts")).infoCommand),
];
