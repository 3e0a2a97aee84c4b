import { hasCode } from "@ctr/api";
import { chainIDOf, defaultPlatforms, readDiffIDs } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { fail, wrap } from "../../errors.ts";
import type { usage } from "../../table/images.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";
import { formatIec } from "../../units.ts";

/** `ctr images usage NAME`: a row per snapshot, from the top of the image to its base. */
export const usageCommand = defineCommand<typeof usage>({
  async run({ args: [name = ""], flags, stdout, connect, signal }) {
    if (name === "") throw fail("please provide an image reference to mount");
    const client = await connect();
    const image = await client.images.get(name, { signal }).catch((error: unknown) => {
      throw wrap(`failed to ensure if image ${name} exists`, error);
    });
    const snapshotter = client.snapshots(flags.snapshotter);
    const diffIDs = await readDiffIDs(client.content, image.target, { signal, matcher: defaultPlatforms() });
    const rows: (readonly string[])[] = [["KEY", "SIZE", "INODES"]];
    for (let key: string = chainIDOf(diffIDs); key !== ""; ) {
      const { parent } = await snapshotter.stat(key, { signal }).catch((error: unknown) => {
        if (!hasCode(error, "not_found")) throw error;
        throw fail(`image ${name} isn't unpacked in snapshotter ${snapshotter.name}`);
      });
      const { size, inodes } = await snapshotter.usage(key, { signal });
      rows.push([key, formatIec(size), `${inodes}`]);
      key = parent;
    }
    await stdout.write(formatTable(rows, narrowTable));
  },
});
