import type { Client, StoreSide } from "@ctr/client";
import { defaultImportPrefix, hostPlatform, parsePlatform } from "@ctr/oci";
import type { CommandContext } from "../command.ts";
import { parseLabels } from "../labels.ts";
import { openTransferProgress } from "../progress/transfer.ts";
import { abortOnInterrupt } from "../signals.ts";
import type { importImages } from "../table/images.ts";
import { refuseLocalFlags } from "./choice.ts";

type Context = CommandContext<(typeof importImages)["flags"]>;

/** Opens the archive: called once the daemon is known to want it. */
type OpenArchive = () => Promise<AsyncIterable<Uint8Array>>;

/** `ctr images import IN` by the daemon: an archive to its store. */
export async function importByTransfer(client: Client, context: Context, open: OpenArchive): Promise<void> {
  const { flags, stdout } = context;
  refuseLocalFlags(context, ["discard-unpacked-layers"]);
  const store = storeSide(flags);
  using interrupt = abortOnInterrupt(context.signal);
  await using display = openTransferProgress(stdout);
  await client.transfer.importArchive(await open(), store, {
    signal: interrupt.signal,
    forceCompress: flags.compressBlobs,
    onProgress: display.on,
  });
}

function storeSide(flags: Context["flags"]): StoreSide {
  const platform = flags.platform === "" ? hostPlatform() : parsePlatform(flags.platform);
  return {
    name: flags.indexName,
    labels: parseLabels(flags.label),
    platforms: flags.allPlatforms ? [] : [platform],
    extraReferences: [namingOf(flags)],
    unpacks: flags.noUnpack ? [] : [{ platform, snapshotter: flags.snapshotter }],
  };
}

/**
 * How the archive's manifests are named: below a prefix, which full names in the archive replace unless it was given.
 * `skipNamedDigest` is what the flag says; the Go tool sends the contrary.
 */
function namingOf({ baseName, digests, skipDigestForNamed }: Context["flags"]) {
  const prefix = { name: baseName || defaultImportPrefix(new Date()), isPrefix: true, allowOverwrite: baseName === "" };
  return digests ? { ...prefix, addDigest: true, skipNamedDigest: skipDigestForNamed } : prefix;
}
