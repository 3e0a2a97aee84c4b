import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, duration, int64, string } from "../flag.ts";
import { quietFlag } from "./quiet-flag.ts";
import { labelFlag, platformFlags, registryFlags } from "./shared-flags.ts";

export const active = declareCommand("active", "Show downloads and other writes in progress", {
  usage: "[flags] [<regexp>]",
  flags: {
    timeout: duration("give up after this time", { alias: "t", env: "CONTAINERD_FETCH_TIMEOUT" }),
    root: string("without effect", { default: "/tmp/content" }),
  },
});
export const remove = declareCommand("delete", "Delete blobs", {
  aliases: ["del", "remove", "rm"],
  usage: "[<digest>, ...]",
});
export const edit = declareCommand("edit", "Edit a blob and store the result as a new one", {
  usage: "[flags] <digest>",
  flags: {
    validate: string("not supported: fails unless empty"),
    editor: string("editor to start, with its arguments", { env: "EDITOR" }),
  },
});
export const fetch = declareCommand("fetch", "Download an image's content without unpacking it", {
  usage: "[flags] <remote> <object>",
  flags: {
    ...registryFlags,
    ...labelFlag("the image"),
    ...platformFlags,
    "all-metadata": bool("metadata of all platforms; containerd 1.6 needs it, later ones imply it", { hidden: true }),
    "skip-metadata": bool("leave out the manifests of other platforms"),
    "metadata-only": bool("manifests and configurations, no layers"),
  },
});
export const get = declareCommand("get", "Print a blob's bytes", { usage: "[<digest>, ...]" });
export const ingest = declareCommand("ingest", "Store standard input as a blob", {
  usage: "[flags] <key>",
  flags: {
    "expected-size": int64("refuse anything but this many bytes"),
    "expected-digest": string("refuse anything but this digest"),
  },
});
export const list = declareCommand("list", "List blobs", {
  aliases: ["ls"],
  usage: "[flags]",
  flags: quietFlag("digests"),
});
export const label = declareCommand("label", "Set or clear labels of a blob", {
  usage: "<digest> [<label>=<value> ...]",
  description: "LABEL= clears the label LABEL.",
});
export const verify = declareCommand("verify", "Compare the bytes of blobs with their digests", {
  usage: "[flags] [<digest>, ...]",
  flags: {
    repair: bool("fetch damaged blobs again from the registries they came from"),
    ...registryFlags,
  },
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(active, async () => (await import("../commands/content/active.ts")).activeCommand),
  entry(remove, async () => (await import("../commands/content/remove.ts")).removeCommand),
  entry(edit, async () => (await import("../commands/content/edit.ts")).editCommand),
  entry(fetch, async () => (await import("../commands/content/fetch.ts")).fetchCommand),
  entry(get, async () => (await import("../commands/content/get.ts")).getCommand),
  entry(ingest, async () => (await import("../commands/content/ingest.ts")).ingestCommand),
  entry(list, async () => (await import("../commands/content/list.ts")).listCommand),
  entry(verify, async () => (await import("../commands/content/verify.ts")).verifyCommand),
  entry(label, async () => (await import("../commands/content/label.ts")).labelCommand),
];
