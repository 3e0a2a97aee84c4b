import { hasCode } from "@ctr/api";
import {
  allPlatforms,
  childGcLabelWithoutLayers,
  defaultImportPrefix,
  defaultPlatforms,
  type Image,
  onlyStrictPlatform,
  parsePlatform,
} from "@ctr/oci";
import { fileError } from "@ctr/sys";
import { type CommandContext, defineCommand } from "../../command.ts";
import { defaultSnapshotter } from "../../default-snapshotter.ts";
import { fail, messageOf, withoutClass } from "../../errors.ts";
import { parseLabels } from "../../labels.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { importImages } from "../../table/images.ts";
import { usesTransfer } from "../../transfer/choice.ts";

type Context = CommandContext<(typeof importImages)["flags"]>;

/** `ctr images import IN`: the images of an archive, from a file or (`-`) from stdin. */
export const importCommand = defineCommand<typeof importImages>({
  async run(context) {
    const { args, flags, stdout, connect } = context;
    const client = await connect();
    const explain = async (error: unknown) => {
      throw (await import("../../missing-content.ts")).explainArchive(error, flags);
    };
    if (await usesTransfer(client, context)) {
      const { importByTransfer } = await import("../../transfer/import.ts");
      return importByTransfer(client, context, () => openArchive(args[0] ?? "", context)).catch(explain);
    }
    checkFlags(flags);
    using interrupt = abortOnInterrupt(context.signal);
    const { signal } = interrupt;
    await using lease = await client.leases.hold({ signal });
    const archive = await openArchive(args[0] ?? "", context);
    const images = await lease.client.images
      .importArchive(archive, {
        signal,
        naming: namingOf(flags),
        matcher: matcherOf(flags),
        labels: parseLabels(flags.label),
        compress: flags.compressBlobs,
        unpack: false,
        ...(flags.indexName === "" ? {} : { indexName: flags.indexName }),
        ...(flags.discardUnpackedLayers ? { childLabel: childGcLabelWithoutLayers } : {}),
      })
      .catch((error: unknown) => {
        // What an archive is not has no class in the Go tool's words.
        throw hasCode(error, "invalid_argument") ? withoutClass(error) : error;
      })
      .catch(explain);
    if (flags.noUnpack) return;
    const snapshotter = await defaultSnapshotter(client, flags.snapshotter, signal);
    const matcher = flags.platform === "" ? defaultPlatforms() : onlyStrictPlatform(parsePlatform(flags.platform));
    for (const image of images) {
      await stdout.write(unpackingLine(image));
      const settings = { signal, snapshotter, matcher, syncFs: flags.syncFs };
      await lease.client.images.unpack(image.target, settings).catch(explain);
      await stdout.write("done\n");
    }
  },
});

function unpackingLine({ name, target }: Image): string {
  return `unpacking ${name} (${target.digest})...`;
}

function checkFlags(flags: Context["flags"]): void {
  if (flags.skipDigestForNamed && !flags.digests) {
    throw fail("--skip-digest-for-named must be specified with --digests option");
  }
  if (flags.discardUnpackedLayers && flags.noUnpack) {
    throw fail("--discard-unpacked-layers and --no-unpack are incompatible options");
  }
}

function namingOf({ baseName, digests, skipDigestForNamed }: Context["flags"]) {
  const prefix = baseName === "" ? defaultImportPrefix(new Date()) : baseName;
  return { prefix, filter: baseName !== "", digests, skipDigestForNamed };
}

function matcherOf({ allPlatforms: all, platform }: Context["flags"]) {
  if (all) return allPlatforms;
  return platform === "" ? defaultPlatforms() : onlyStrictPlatform(parsePlatform(platform));
}

async function openArchive(path: string, { stdin }: Context): Promise<AsyncIterable<Uint8Array>> {
  if (path === "-") return stdin.chunks();
  if (path === "") throw fail("open : no such file or directory", "name an archive, or - for standard input");
  const file = Bun.file(path);
  const stats = await file.stat().catch((error: unknown) => {
    throw fail(messageOf(fileError("open", path, error)));
  });
  if (stats.isDirectory()) throw fail(`read ${path}: is a directory`, "name the archive, a tar file, itself");
  return file.stream();
}
