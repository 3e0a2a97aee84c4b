import { defineCommand } from "../../command.ts";
import type { list } from "../../table/containers.ts";
import { formatTable, wideTable } from "../../tabwriter.ts";

/** `ctr containers list [filter…]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const containers = await client.containers.summaries(args, { signal });
    if (flags.quiet) return stdout.write(containers.map(({ id }) => `${id}\n`).join(""));
    const rows = [["CONTAINER", "IMAGE", "RUNTIME"]];
    for (const { id, image, runtime } of containers) rows.push([id, image || "-", runtime]);
    await stdout.write(formatTable(rows, wideTable));
  },
});
