import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { formatGoJson } from "../../go-json.ts";
import type { info } from "../../table/snapshots.ts";
import { formatRfc3339Nano } from "../../units.ts";
import { kindNames } from "./list.ts";

/** `ctr snapshots info KEY`: the record as JSON. */
export const infoCommand = defineCommand<typeof info>({
  async run({ args, flags, stdout, connect, signal }) {
    const [key] = args;
    if (key === undefined || args.length !== 1) throw fail("a snapshot key must be given, and nothing else");
    const client = await connect();
    const found = await client.snapshots(flags.snapshotter).stat(key, { signal });
    const labels = Object.fromEntries(Object.entries(found.labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    const record = {
      Kind: kindNames[found.kind],
      Name: found.name,
      Parent: found.parent || undefined,
      Labels: Object.keys(labels).length === 0 ? undefined : labels,
      Created: formatRfc3339Nano(found.createdAt),
      Updated: formatRfc3339Nano(found.updatedAt),
    };
    await stdout.write(`${formatGoJson(record, "    ")}\n`);
  },
});
