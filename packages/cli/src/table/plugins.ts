import { declareCommand, type Entry, entry } from "../command.ts";
import { bool } from "../flag.ts";
import { quietFlag } from "./quiet-flag.ts";

export const list = declareCommand("list", "List the daemon's plugins", {
  aliases: ["ls"],
  flags: { ...quietFlag("plugin ids"), detailed: bool("all details of every plugin", { alias: "d" }) },
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(list, async () => (await import("../commands/plugins/list.ts")).listCommand),
];
