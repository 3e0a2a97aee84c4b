import type { SnapshotKind } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import type { list } from "../../table/snapshots.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";

/** `ctr snapshots list`. */
export const listCommand = defineCommand<typeof list>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const rows: (readonly string[])[] = [["KEY", "PARENT", "KIND"]];
    for await (const page of client.snapshots(flags.snapshotter).summaries([], { signal })) {
      for (const { name, parent, kind } of page) rows.push([name, parent, kindNames[kind]]);
    }
    await stdout.write(formatTable(rows, narrowTable));
  },
});

/** As Go prints them. */
export const kindNames: Readonly<Record<SnapshotKind, string>> = {
  unknown: "Unknown",
  view: "View",
  active: "Active",
  committed: "Committed",
};
