import { defineCommand } from "../../command.ts";
import type { usage } from "../../table/snapshots.ts";
import { formatTable, narrowTable } from "../../tabwriter.ts";
import { formatIec } from "../../units.ts";

/** `ctr snapshots usage [KEY…]`: all snapshots where none is named. */
export const usageCommand = defineCommand<typeof usage>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const snapshotter = client.snapshots(flags.snapshotter);
    const keys = [...args];
    if (keys.length === 0) for await (const { name } of snapshotter.walk([], { signal })) keys.push(name);
    const rows: (readonly string[])[] = [["KEY", "SIZE", "INODES"]];
    for (const key of keys) {
      const { size, inodes } = await snapshotter.usage(key, { signal });
      rows.push([key, flags.b ? `${size}` : formatIec(size), `${inodes}`]);
    }
    await stdout.write(formatTable(rows, narrowTable));
  },
});
