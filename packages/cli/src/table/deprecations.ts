import { declareCommand, type Entry, entry } from "../command.ts";
import { string } from "../flag.ts";

export const list = declareCommand("list", "List what is used and will go", {
  flags: () => ({ format: string("json, or a table without it") }),
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(list, async () => (await import("../commands/deprecations/list.ts")).listCommand),
];
