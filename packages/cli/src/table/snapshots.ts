import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, string } from "../flag.ts";
import { labelFlag, snapshotterFlag } from "./shared-flags.ts";

/** `snapshots --snapshotter NAME …`. */
const inherits = snapshotterFlag();

const mountFlags = () => ({
  target: string("mount point for the commands printed", { alias: "t" }),
  mounts: bool("print the mounts as JSON"),
});

export const commit = declareCommand("commit", "Turn an active snapshot into a committed one", {
  inherits,
  usage: "<key> <active>",
});
export const diff = declareCommand("diff", "Write the difference between two snapshots as a layer", {
  inherits,
  usage: "[flags] <idA> [<idB>]",
  description: "With one snapshot: the difference to its parent.",
  flags: () => ({
    "media-type": string("media type of the layer", { default: "application/vnd.oci.image.layer.v1.tar+gzip" }),
    ref: string("ref of the write"),
    keep: bool("keep the layer in the content store"),
    ...labelFlag("the layer"),
  }),
});
export const info = declareCommand("info", "Print a snapshot's record as JSON", { inherits, usage: "<key>" });
export const list = declareCommand("list", "List snapshots", { inherits, aliases: ["ls"] });
export const mounts = declareCommand("mounts", "Print the commands that mount a snapshot", {
  inherits,
  aliases: ["m", "mount"],
  usage: "<target> <key>",
  flags: () => ({ temp: bool("let the daemon mount what the commands need") }),
});
export const prepare = declareCommand("prepare", "Create a writable snapshot", {
  inherits,
  usage: "[flags] <key> [<parent>]",
  flags: mountFlags,
});
export const remove = declareCommand("delete", "Delete snapshots", {
  inherits,
  aliases: ["del", "remove", "rm"],
  usage: "<key> [<key>, ...]",
});
export const label = declareCommand("label", "Set or clear labels of a snapshot", {
  inherits,
  usage: "<name> [<label>=<value> ...]",
  description: "LABEL= clears the label LABEL.",
});
export const tree = declareCommand("tree", "Show snapshots under their parents", { inherits });
export const unpack = declareCommand("unpack", "Unpack the image whose target has a digest", {
  usage: "[flags] <digest>",
  flags: () => ({ "sync-fs": bool("write everything to disk after unpacking"), ...snapshotterFlag() }),
});
export const usage = declareCommand("usage", "Show how much disk snapshots take", {
  inherits,
  usage: "[flags] [<key>, ...]",
  flags: () => ({ b: bool("plain bytes") }),
});
export const view = declareCommand("view", "Create a read-only snapshot", {
  inherits,
  usage: "[flags] <key> [<parent>]",
  flags: mountFlags,
});

/** The flags of the group. */
export const flags = inherits;
/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(commit, async () => (await import("../commands/snapshots/commit.ts")).commitCommand),
  entry(diff, async () => (await import("../commands/snapshots/diff.ts")).diffCommand),
  entry(info, async () => (await import("../commands/snapshots/info.ts")).infoCommand),
  entry(list, async () => (await import("../commands/snapshots/list.ts")).listCommand),
  entry(mounts, async () => (await import("../commands/snapshots/mounts.ts")).mountsCommand),
  entry(prepare, async () => (await import("../commands/snapshots/prepare.ts")).prepareCommand),
  entry(remove, async () => (await import("../commands/snapshots/remove.ts")).removeCommand),
  entry(label, async () => (await import("../commands/snapshots/label.ts")).labelCommand),
  entry(tree, async () => (await import("../commands/snapshots/tree.ts")).treeCommand),
  entry(unpack, async () => (await import("../commands/snapshots/unpack.ts")).unpackCommand),
  entry(usage, async () => (await import("../commands/snapshots/usage.ts")).usageCommand),
  entry(view, async () => (await import("../commands/snapshots/view.ts")).viewCommand),
];
