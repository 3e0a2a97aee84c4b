import type { Client } from "@ctr/client";
import { parsePlatform } from "@ctr/oci";
import type { CommandContext } from "../command.ts";
import { abortOnInterrupt } from "../signals.ts";
import type { exportImages } from "../table/images.ts";

type Context = CommandContext<(typeof exportImages)["flags"]>;

/** Takes the archive to where OUT says. */
type WriteArchive = (chunks: AsyncIterable<Uint8Array>) => Promise<void>;

/** `ctr images export OUT IMAGE…` by the daemon: images of its store to an archive. Shows no progress. */
export async function exportByTransfer(client: Client, context: Context, write: WriteArchive): Promise<void> {
  const { args, flags } = context;
  const platforms = flags.platform.map(parsePlatform);
  using interrupt = abortOnInterrupt(context.signal);
  const archive = client.transfer.exportArchive(
    { extraReferences: args.slice(1).map((name) => ({ name })) },
    {
      signal: interrupt.signal,
      platforms,
      allPlatforms: flags.allPlatforms,
      skipCompatibilityManifest: flags.skipManifestJson,
      skipNonDistributable: flags.skipNonDistributable,
    },
  );
  await write(archive);
}
