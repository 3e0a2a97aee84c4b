import { allPlatforms, anyPlatform, hostPlatform, onlyStrictPlatform, parsePlatform } from "@ctr/oci";
import { fileError } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { fail, messageOf } from "../../errors.ts";
import type { Output } from "../../streams.ts";
import type { exportImages } from "../../table/images.ts";
import { usesTransfer } from "../../transfer/choice.ts";

/** `ctr images export OUT IMAGE…`: an archive, to a file or (`-`) to stdout. */
export const exportCommand = defineCommand<typeof exportImages>({
  async run(context) {
    const { args, flags, stdout, connect, signal } = context;
    const [out = "", ...names] = args;
    if (out === "" || names.length === 0) {
      throw fail("please provide both an output filename and an image reference to export");
    }
    const client = await connect();
    const write = (archive: AsyncIterable<Uint8Array>) =>
      out === "-" ? writeAll(stdout, archive) : writeFile(out, archive);
    const platforms = flags.platform.map(parsePlatform);
    const matcher = platforms.length > 0 ? anyPlatform(platforms) : onlyStrictPlatform(hostPlatform());
    const wanted = { images: names, matcher: flags.allPlatforms ? allPlatforms : matcher, signal };
    const explain = async (error: unknown) => {
      throw await (await import("../../missing-content.ts")).explainMissing(client, error, wanted);
    };
    if (await usesTransfer(client, context)) {
      return (await import("../../transfer/export.ts")).exportByTransfer(client, context, write).catch(explain);
    }
    const archive = client.images.exportArchive(names, {
      signal,
      matcher,
      allPlatforms: flags.allPlatforms,
      skipDockerManifest: flags.skipManifestJson,
      skipNonDistributable: flags.skipNonDistributable,
    });
    await write(archive).catch(explain);
  },
});

async function writeAll(stdout: Output, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) await stdout.write(chunk);
}

async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const { open } = await import("node:fs/promises");
  await using file = await open(path, "w").catch((error: unknown) => {
    throw fail(messageOf(fileError("create", path, error)));
  });
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
  } catch (error) {
    // Nobody must take the beginning of an archive for one; what is no regular file cannot be cut.
    await file.truncate().catch(() => undefined);
    throw error;
  }
}
