import { declareCommand, type Entry, entry } from "../command.ts";
import { bool, duration, int, quietFlag, string, stringSlice } from "../flag.ts";
import { hostPlatformName } from "../host-platform.ts";
import { labelFlag, platformFlags, registryFlags, snapshotterFlag } from "./shared-flags.ts";

const local = { local: bool("work in this program instead of the daemon's transfer service") };
const syncFs = { "sync-fs": bool("write everything to disk after unpacking; needs --local") };

export const check = declareCommand("check", "Check which images are complete and unpacked", {
  usage: "[flags] [<filter>, ...]",
  flags: () => ({ ...quietFlag("names of images that are complete and unpacked"), ...snapshotterFlag() }),
});
export const exportImages = declareCommand("export", "Write images to a tar archive", {
  usage: "[flags] <out> <image> ...",
  description: "OUT may be - for standard output.",
  flags: () => ({
    "skip-manifest-json": bool("leave out Docker's manifest.json"),
    "skip-non-distributable": bool("leave out layers that may not be distributed"),
    ...platformFlags(),
    ...local,
  }),
});
export const importImages = declareCommand("import", "Read images from a tar archive", {
  usage: "[flags] <in>",
  description: "IN may be - for standard input.",
  flags: () => ({
    "base-name": string("prefix for names, and filter of the names to keep"),
    digests: bool("also name images by digest"),
    "skip-digest-for-named": bool("no digest name for what has a name; needs --digests"),
    "index-name": string("name for the archive's index"),
    "all-platforms": bool("every platform of the images"),
    platform: string("platform as os/arch[/variant]"),
    "no-unpack": bool("store only, do not unpack"),
    ...local,
    "compress-blobs": bool("compress plain layers; Docker archives have such"),
    "discard-unpacked-layers": bool("let layers be collected once unpacked; needs --local"),
    ...syncFs,
    ...snapshotterFlag(),
    ...labelFlag("the images"),
  }),
});
export const inspect = declareCommand("inspect", "Show an image as a tree of descriptors", {
  aliases: ["i"],
  usage: "<image> [flags]",
  flags: () => ({ content: bool("show labels and JSON of every blob too") }),
});
export const list = declareCommand("list", "List images", {
  aliases: ["ls"],
  usage: "[flags] [<filter>, ...]",
  flags: () => quietFlag("image names"),
});
export const mount = declareCommand("mount", "Mount an image's root filesystem", {
  usage: "[flags] <ref> [<target>]",
  flags: () => ({
    ...registryFlags(),
    ...snapshotterFlag(),
    ...labelFlag("nothing: without effect"),
    rw: bool("mount it writable"),
    platform: string("platform as os/arch[/variant]", { default: hostPlatformName() }),
    "sync-fs": bool("write everything to disk after unpacking"),
    expiration: duration("keep the snapshot for this long", { alias: "x", default: 3_600_000_000_000n }),
  }),
});
export const unmount = declareCommand("unmount", "Unmount an image", {
  usage: "[flags] <target>",
  flags: () => ({
    ...registryFlags(),
    ...snapshotterFlag(),
    ...labelFlag("nothing: without effect"),
    rm: bool("delete the lease and the snapshot too"),
  }),
});
export const pull = declareCommand("pull", "Download an image and unpack it", {
  usage: "[flags] <ref>",
  description: "REF is written in full, as docker.io/library/alpine:latest.",
  flags: () => ({
    ...registryFlags(),
    ...snapshotterFlag(),
    ...labelFlag("the image"),
    ...platformFlags(),
    "all-metadata": bool("metadata of all platforms; containerd 1.6 needs it, later ones imply it", { hidden: true }),
    "skip-metadata": bool("leave out the manifests of other platforms"),
    "print-chainid": bool("print the chain ID of the unpacked image; needs --local"),
    "max-concurrent-downloads": int("layers to download at once; needs --local"),
    ...local,
    ...syncFs,
  }),
});
export const push = declareCommand("push", "Upload an image to a registry", {
  usage: "[flags] <remote> [<local>]",
  flags: () => ({
    ...registryFlags(),
    manifest: string("digest of the manifest to push; needs --local"),
    "manifest-type": string("media type of --manifest; needs --local", {
      default: "application/vnd.oci.image.manifest.v1+json",
    }),
    platform: stringSlice("platform as os/arch[/variant]; may be repeated"),
    "max-concurrent-uploaded-layers": int("layers to upload at once; needs --local"),
    ...local,
    "allow-non-distributable-blobs": bool("upload layers that may not be distributed too; needs --local"),
  }),
});
export const prune = declareCommand("prune", "Delete images that no container uses", {
  description: "an image is used where a container's record names it, whether it runs or not",
  flags: () => ({ all: bool("delete them; without it nothing happens") }),
});
export const remove = declareCommand("delete", "Delete images by name", {
  aliases: ["del", "remove", "rm"],
  usage: "[flags] <ref> [<ref>, ...]",
  flags: () => ({ sync: bool("wait until what they alone kept is collected") }),
});
export const tag = declareCommand("tag", "Give an image further names", {
  usage: "[flags] <source_ref> <target_ref> [<target_ref>, ...]",
  flags: () => ({
    force: bool("replace a name that exists"),
    ...local,
    "skip-reference-check": bool("take any text as a name"),
  }),
});
export const label = declareCommand("label", "Set or clear labels of an image", {
  usage: "[flags] <name> [<key>=<value>, ...]",
  description: "KEY= clears the label KEY.",
  flags: () => ({ "replace-all": bool("drop the labels not named", { alias: "r" }) }),
});
export const convert = declareCommand("convert", "Store an image in another form, under another name", {
  usage: "[flags] <source_ref> <target_ref>",
  flags: () => ({
    uncompress: bool("layers as plain tars"),
    oci: bool("media types of the OCI instead of Docker's"),
    erofs: string("layers as EROFS images, raw or zstd"),
    "erofs-compressors": string("compressors handed to mkfs.erofs"),
    "erofs-mkfs-options": string("further arguments of mkfs.erofs"),
    ...platformFlags(),
  }),
});
export const buildErofsCache = declareCommand(
  "build-erofs-cache",
  "Store an image's layers as EROFS images by diff ID",
  {
    usage: "[flags] <image_ref> <cache_dir>",
    description: "The directory is what the erofs snapshotter's layer_content_cache names. Needs mkfs.erofs.",
    flags: () => ({
      compressors: string("compressors handed to mkfs.erofs"),
      "mkfs-options": string("further arguments of mkfs.erofs"),
      platform: string("platform as os/arch[/variant]"),
      dmverity: bool("append a hash tree of dm-verity, and write its root beside each image"),
    }),
  },
);
export const usage = declareCommand("usage", "Show how much disk an unpacked image takes", {
  usage: "[flags] <ref>",
  flags: snapshotterFlag,
});

/** The commands of the group. */
export const entries: readonly Entry[] = [
  entry(check, async () => (await import("../commands/images/check.ts")).checkCommand),
  entry(exportImages, async () => (await import("../commands/images/export.ts")).exportCommand),
  entry(importImages, async () => (await import("../commands/images/import.ts")).importCommand),
  entry(inspect, async () => (await import("../commands/images/inspect.ts")).inspectCommand),
  entry(list, async () => (await import("../commands/images/list.ts")).listCommand),
  entry(mount, async () => (await import("../commands/images/mount.ts")).mountCommand),
  entry(unmount, async () => (await import("../commands/images/unmount.ts")).unmountCommand),
  entry(pull, async () => (await import("../commands/images/pull.ts")).pullCommand),
  entry(push, async () => (await import("../commands/images/push.ts")).pushCommand),
  entry(prune, async () => (await import("../commands/images/prune.ts")).pruneCommand),
  entry(remove, async () => (await import("../commands/images/remove.ts")).removeCommand),
  entry(tag, async () => (await import("../commands/images/tag.ts")).tagCommand),
  entry(label, async () => (await import("../commands/images/label.ts")).labelCommand),
  entry(convert, async () => (await import("../commands/images/convert.ts")).convertCommand),
  entry(buildErofsCache, async () => (await import("../commands/images/build-erofs-cache.ts")).buildErofsCacheCommand),
  entry(usage, async () => (await import("../commands/images/usage.ts")).usageCommand),
];
