import { anyPlatform, hostPlatform, onlyStrictPlatform, parsePlatform } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { exportImages } from "../../table/images.ts";

/** `ctr images export OUT IMAGE…`: an archive, to a file or (`-`) to stdout. */
export const exportCommand = defineCommand<typeof exportImages>({
  async run({ args: [out = "", ...names], flags, stdout, connect, signal }) {
    if (out === "" || names.length === 0) {
      throw fail("please provide both an output filename and an image reference to export");
    }
    const client = await connect();
    const platforms = flags.platform.map(parsePlatform);
    const archive = client.images.exportArchive(names, {
      signal,
      matcher: platforms.length > 0 ? anyPlatform(platforms) : onlyStrictPlatform(hostPlatform()),
      allPlatforms: flags.allPlatforms,
      skipDockerManifest: flags.skipManifestJson,
      skipNonDistributable: flags.skipNonDistributable,
    });
    if (out === "-") for await (const chunk of archive) await stdout.write(chunk);
    else await writeFile(out, archive);
  },
});

async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const { open } = await import("node:fs/promises");
  await using file = await open(path, "w").catch((error: unknown) => {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const why = code === "ENOENT" ? "no such file or directory" : code === "EACCES" ? "permission denied" : code;
    throw fail(`open ${path}: ${why}`);
  });
  for await (const chunk of chunks) await file.writeFile(chunk);
}
