import type { Client } from "@ctr/client";
import { defaultPlatforms, findManifest, isEncryptedType } from "@ctr/oci";
import { defineCommand } from "../command.ts";
import { fail } from "../errors.ts";
import type { install } from "../table/top-level.ts";

/** `ctr install IMAGE`: files of its bin (and lib) directory, written to this machine by this command itself. */
export const installCommand = defineCommand<typeof install>({
  async run({ args, flags, connect, signal }) {
    const client = await connect();
    const image = await client.images.get(args[0] ?? "", { signal });
    const options = { signal, matcher: defaultPlatforms() };
    const { manifest } = await findManifest(client.content, image.target, options);
    const path = flags.path === "" ? await optPath(client, signal) : flags.path;
    const { openInstaller } = await import("../layer-installer.ts");
    using installer = openInstaller({
      path,
      directories: flags.libs ? ["bin", "lib"] : ["bin"],
      replace: flags.replace,
    });
    for (const { digest, mediaType } of manifest.layers) {
      if (isEncryptedType(mediaType)) throw fail(`cannot install layer ${digest}: it is encrypted`);
      await using blob = await client.content.readerAt(digest, { signal });
      await installer.add(blob.stream({ offset: 0n, length: blob.size }, { signal }));
    }
  },
});

/** Where the daemon has its optional programs. */
async function optPath(client: Client, signal: AbortSignal): Promise<string> {
  const plugins = await client.introspection.plugins(["id==opt"], { signal });
  const hint = "name a directory with --path";
  if (plugins.length !== 1) throw fail("opt service not enabled", hint);
  const path = plugins[0]?.exports["path"] ?? "";
  if (path === "") throw fail("opt path not exported", hint);
  return path;
}
