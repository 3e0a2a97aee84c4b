import { declareCommand } from "../command.ts";
import { bool } from "../flag.ts";
import { quietFlag } from "./shared-flags.ts";

export const create = declareCommand("create", "Create a namespace", {
  aliases: ["c"],
  usage: "<name> [<key>=<value>]",
});
export const list = declareCommand("list", "List namespaces", {
  aliases: ["ls"],
  usage: "[flags]",
  flags: quietFlag("names"),
});
export const remove = declareCommand("remove", "Delete empty namespaces", {
  aliases: ["rm"],
  usage: "<name> [<name>, ...]",
  flags: { cgroup: bool("delete the namespace's cgroup too", { alias: "c" }) },
});
export const label = declareCommand("label", "Set or clear labels of a namespace", {
  usage: "<name> [<key>=<value>, ...]",
  description: "KEY= clears the label KEY.",
});
