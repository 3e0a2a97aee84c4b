import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, duration, quietFlag, string } from "../flag.ts";

export const list = declareCommand("list", "List leases", {
  aliases: ["ls"],
  usage: "[flags] <filter>",
  flags: () => quietFlag("lease ids"),
});
export const create = declareCommand("create", "Create a lease and print its id", {
  usage: "[flags] <label>=<value> ...",
  flags: () => ({
    id: string("id of the lease; random when empty"),
    expires: duration("lifetime; 0 for ever", { alias: "x", default: 86_400_000_000_000n }),
  }),
});
export const remove = declareCommand("delete", "Delete leases", {
  aliases: ["del", "remove", "rm"],
  usage: "[flags] <lease id> ...",
  flags: () => ({ sync: bool("wait until what they alone kept is collected") }),
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(list, async () => (await import("../commands/leases/list.ts")).listCommand),
  entry(create, async () => (await import("../commands/leases/create.ts")).createCommand),
  entry(remove, async () => (await import("../commands/leases/remove.ts")).removeCommand),
];
