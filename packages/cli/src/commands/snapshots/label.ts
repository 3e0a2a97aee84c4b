import { defineCommand } from "../../command.ts";
import { formatLabels, parseLabels } from "../../labels.ts";
import type { label } from "../../table/snapshots.ts";

/** `ctr snapshots label KEY k=v…`: prints the labels that result. */
export const labelCommand = defineCommand<typeof label>({
  async run({ args: [key = "", ...words], flags, stdout, connect, signal }) {
    const client = await connect();
    const info = await client.snapshots(flags.snapshotter).setLabels(key, parseLabels(words), { signal });
    await stdout.write(`${formatLabels(info.labels, "")}\n`);
  },
});
