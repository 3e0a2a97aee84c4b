import { defineCommand } from "../../command.ts";
import type { list } from "../../table/sandboxes.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";
import { formatGoTime } from "../../units.ts";

/** `ctr sandboxes list`. */
export const listCommand = defineCommand<typeof list>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const sandboxes = await client.sandboxes.list(flags.filters, { signal });
    const rows = sandboxes.map(({ id, createdAt, runtime }) => [id, formatGoTime(createdAt), runtime.name]);
    await stdout.write(formatTable([["ID", "CREATED", "RUNTIME"], ...rows], narrowTable));
  },
});
