import type { Deprecation } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import { formatGoJson } from "../../go-json.ts";
import type { list } from "../../table/deprecations.ts";
import { alignTabs, wideTable } from "../../tabwriter.ts";
import { formatRfc3339Nano } from "../../units.ts";

/** `ctr deprecations list`: what somebody used that a later containerd will not have; nothing when there is none. */
export const listCommand = defineCommand<typeof list>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const { deprecations } = await client.introspection.server({ signal });
    if (deprecations.length === 0) return;
    if (flags.format === "json") {
      const rows = deprecations.map((each) => ({ id: each.id, message: each.message, lastOccurrence: timeOf(each) }));
      await stdout.write(`${formatGoJson(rows, "    ")}\n`);
      return;
    }
    const rows = deprecations.map((each) => `${each.id}\t${timeOf(each)}\t${each.message}\n`);
    await stdout.write(alignTabs(`ID\tLAST OCCURRENCE\tMESSAGE\t\n${rows.join("")}`, wideTable));
  },
});

function timeOf({ lastOccurrence }: Deprecation): string {
  return formatRfc3339Nano(lastOccurrence);
}
