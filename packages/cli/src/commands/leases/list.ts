import { defineCommand } from "../../command.ts";
import { formatLabels } from "../../labels.ts";
import type { list } from "../../table/leases.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";
import { formatLocalRfc3339 } from "../../units.ts";

/** `ctr leases list [filter]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const leases = await client.leases.list(args, { signal });
    if (flags.quiet) return stdout.write(leases.map(({ id }) => `${id}\n`).join(""));
    const rows = leases.map(({ id, createdAt, labels }) => [
      id,
      formatLocalRfc3339(createdAt),
      formatLabels(labels, "-"),
    ]);
    await stdout.write(formatTable([["ID", "CREATED AT", "LABELS"], ...rows], narrowTable));
  },
});
