import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, quietFlag } from "../flag.ts";

export const create = declareCommand("create", "Create a namespace", {
  aliases: ["c"],
  usage: "<name> [<key>=<value>]",
});
export const list = declareCommand("list", "List namespaces", {
  aliases: ["ls"],
  usage: "[flags]",
  flags: () => quietFlag("names"),
});
export const remove = declareCommand("remove", "Delete empty namespaces", {
  aliases: ["rm"],
  usage: "<name> [<name>, ...]",
  flags: () => ({ cgroup: bool("delete the namespace's cgroup too", { alias: "c" }) }),
});
export const label = declareCommand("label", "Set or clear labels of a namespace", {
  usage: "<name> [<key>=<value>, ...]",
  description: "KEY= clears the label KEY.",
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(create, async () => (await import("../commands/namespaces/create.ts")).createCommand),
  entry(list, async () => (await import("../commands/namespaces/list.ts")).listCommand),
  entry(remove, async () => (await import("../commands/namespaces/remove.ts")).removeCommand),
  entry(label, async () => (await import("../commands/namespaces/label.ts")).labelCommand),
];
