import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, quietFlag } from "../flag.ts";
import { containerFlags } from "./shared-flags.ts";

export const create = declareCommand("create", "Create a container without starting it", {
  usage: "[flags] Image|RootFS CONTAINER [COMMAND] [ARG...]",
  flags: containerFlags,
  ownArgs: true,
});
export const remove = declareCommand("delete", "Delete containers that do not run", {
  aliases: ["del", "remove", "rm"],
  usage: "[flags] CONTAINER [CONTAINER, ...]",
  flags: () => ({ "keep-snapshot": bool("leave the container's snapshot") }),
});
export const info = declareCommand("info", "Print a container's record as JSON", {
  usage: "CONTAINER",
  flags: () => ({ spec: bool("print only the OCI spec") }),
});
export const list = declareCommand("list", "List containers", {
  aliases: ["ls"],
  usage: "[flags] [<filter>, ...]",
  flags: () => quietFlag("container ids"),
});
export const label = declareCommand("label", "Set or clear labels of a container", {
  usage: "[flags] CONTAINER [<key>=<value>, ...]",
  description: "KEY= clears the label KEY.",
});
export const checkpoint = declareCommand("checkpoint", "Save a container as a checkpoint image", {
  usage: "CONTAINER REF",
  flags: () => ({
    rw: bool("add what the container has written"),
    image: bool("add the container's image"),
    task: bool("add a dump of its task by CRIU, and the spec"),
  }),
});
export const restore = declareCommand("restore", "Make a container of a checkpoint image and start it", {
  usage: "CONTAINER REF",
  flags: () => ({
    rw: bool("bring back what the container had written"),
    live: bool("go on from the dump of its task"),
    trust: bool("take the checkpoint's spec as it is, whatever it asks of this machine"),
  }),
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(create, async () => (await import("../commands/containers/create.ts")).createCommand),
  entry(remove, async () => (await import("../commands/containers/remove.ts")).removeCommand),
  entry(info, async () => (await import("../commands/containers/info.ts")).infoCommand),
  entry(list, async () => (await import("../commands/containers/list.ts")).listCommand),
  entry(label, async () => (await import("../commands/containers/label.ts")).labelCommand),
  entry(checkpoint, async () => (await import("../commands/containers/checkpoint.ts")).checkpointCommand),
  entry(restore, async () => (await import("../commands/containers/restore.ts")).restoreCommand),
];
