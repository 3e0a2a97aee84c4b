import { defineCommand } from "../../command.ts";
import type { list } from "../../table/snapshots.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";

/** `ctr snapshots list`. */
export const listCommand = defineCommand<typeof list>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const rows: (readonly string[])[] = [["KEY", "PARENT", "KIND"]];
    for await (const page of client.snapshots(flags.snapshotter).summaries([], { signal })) {
      for (const { name, parent, kind } of page) rows.push([name, parent, capitalised(kind)]);
    }
    await stdout.write(formatTable(rows, narrowTable));
  },
});

/** `active` as Go prints it: `Active`. */
export function capitalised(kind: string): string {
  return kind.slice(0, 1).toUpperCase() + kind.slice(1);
}
