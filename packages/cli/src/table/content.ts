import { declareCommand, type Entry, entry, group } from "../command.ts";
import { bool, duration, int64, quietFlag, string } from "../flag.ts";
import { labelFlag, platformFlags, registryFlags } from "./shared-flags.ts";

export const active = declareCommand("active", "Show downloads and other writes in progress", {
  usage: "[flags] [<regexp>]",
  flags: () => ({
    timeout: duration("give up after this time", { alias: "t", env: "CONTAINERD_FETCH_TIMEOUT" }),
    root: string("without effect", { default: "/tmp/content" }),
  }),
});
export const remove = declareCommand("delete", "Delete blobs", {
  aliases: ["del", "remove", "rm"],
  usage: "[<digest>, ...]",
});
export const edit = declareCommand("edit", "Edit a blob and store the result as a new one", {
  usage: "[flags] <digest>",
  flags: () => ({
    validate: string("not supported: fails unless empty"),
    editor: string("editor to start, with its arguments", { env: "EDITOR" }),
  }),
});
export const fetch = declareCommand("fetch", "Download an image's content without unpacking it", {
  usage: "[flags] <remote> <object>",
  flags: () => ({
    ...registryFlags(),
    ...labelFlag("the image"),
    ...platformFlags(),
    "all-metadata": bool("metadata of all platforms; containerd 1.6 needs it, later ones imply it", { hidden: true }),
    "skip-metadata": bool("leave out the manifests of other platforms"),
    "metadata-only": bool("manifests and configurations, no layers"),
  }),
});
export const fetchObject = declareCommand("fetch-object", "Print what a reference names on its registry", {
  usage: "[flags] <remote> <object> [<hint>, ...]",
  description: "asks the registry alone: no containerd is needed",
  flags: registryFlags,
});
export const fetchBlob = declareCommand("fetch-blob", "Print blobs of a registry by their digests", {
  usage: "[flags] <remote> [<digest>, ...]",
  description: "asks the registry alone: no containerd is needed",
  flags: () => ({ ...registryFlags(), "media-type": string("media type to ask the registry for") }),
});
export const get = declareCommand("get", "Print a blob's bytes", { usage: "[<digest>, ...]" });
export const ingest = declareCommand("ingest", "Store standard input as a blob", {
  usage: "[flags] <key>",
  flags: () => ({
    "expected-size": int64("refuse anything but this many bytes"),
    "expected-digest": string("refuse anything but this digest"),
  }),
});
export const list = declareCommand("list", "List blobs", {
  aliases: ["ls"],
  usage: "[flags]",
  flags: () => quietFlag("digests"),
});
export const pushObject = declareCommand("push-object", "Send one blob to a registry", {
  usage: "[flags] <remote> <object> <type>",
  flags: registryFlags,
});
export const pruneReferences = declareCommand("references", "Let layers go that only their manifests keep", {
  description: "removes the labels by which manifests keep their layers from being collected, and collects",
  flags: () => ({
    async: bool("do not wait for the collection"),
    dry: bool("show what would be removed, as debug messages, and remove nothing"),
  }),
});
export const label = declareCommand("label", "Set or clear labels of a blob", {
  usage: "<digest> [<label>=<value> ...]",
  description: "LABEL= clears the label LABEL.",
});
export const verify = declareCommand("verify", "Compare the bytes of blobs with their digests", {
  usage: "[flags] [<digest>, ...]",
  flags: () => ({
    repair: bool("fetch damaged blobs again from the registries they came from"),
    ...registryFlags(),
  }),
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(active, async () => (await import("../commands/content/active.ts")).activeCommand),
  entry(remove, async () => (await import("../commands/content/remove.ts")).removeCommand),
  entry(edit, async () => (await import("../commands/content/edit.ts")).editCommand),
  entry(fetch, async () => (await import("../commands/content/fetch.ts")).fetchCommand),
  entry(fetchObject, async () => (await import("../commands/content/fetch-object.ts")).fetchObjectCommand),
  entry(fetchBlob, async () => (await import("../commands/content/fetch-blob.ts")).fetchBlobCommand),
  entry(get, async () => (await import("../commands/content/get.ts")).getCommand),
  entry(ingest, async () => (await import("../commands/content/ingest.ts")).ingestCommand),
  entry(list, async () => (await import("../commands/content/list.ts")).listCommand),
  entry(pushObject, async () => (await import("../commands/content/push-object.ts")).pushObjectCommand),
  entry(verify, async () => (await import("../commands/content/verify.ts")).verifyCommand),
  entry(label, async () => (await import("../commands/content/label.ts")).labelCommand),
  group(
    { name: "prune", aliases: [], summary: "Take away what keeps content" },
    {
      entries: [
        entry(pruneReferences, async () => (await import("../commands/content/prune-references.ts")).pruneCommand),
      ],
    },
  ),
];
