import { defineCommand } from "../../command.ts";
import { formatLabels } from "../../labels.ts";
import type { list } from "../../table/namespaces.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";

/** `ctr namespaces list`. */
export const listCommand = defineCommand<typeof list>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const namespaces = await client.namespaces.list({ signal });
    if (flags.quiet) return stdout.write(namespaces.map(({ name }) => `${name}\n`).join(""));
    const rows = [["NAME", "LABELS"]];
    for (const { name, labels } of namespaces) rows.push([name, formatLabels(labels, "")]);
    await stdout.write(formatTable(rows, narrowTable));
  },
});
