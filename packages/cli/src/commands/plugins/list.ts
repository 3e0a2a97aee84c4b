import type { Plugin } from "@ctr/client";
import { formatPlatform } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import type { list } from "../../table/plugins.ts";
import { alignTabs, formatTable, wideTable } from "../../tabwriter.ts";
import { formatPluginDetails } from "./details.ts";

/** Between two plugins' details. */
const EMPTY_ROW = "\t\t\t\n";

/** `ctr plugins list`: a table, ids alone, or a block per plugin. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const plugins = await client.introspection.plugins(args, { signal });
    await stdout.write(
      flags.quiet
        ? plugins.map(({ id }) => `${id}\n`).join("")
        : flags.detailed
          ? alignTabs(plugins.map(formatPluginDetails).join(EMPTY_ROW), wideTable)
          : formatTable([["TYPE", "ID", "PLATFORMS", "STATUS"], ...plugins.map(toRow)], wideTable),
    );
  },
});

function toRow(plugin: Plugin): readonly string[] {
  return [plugin.type, plugin.id, platformsOf(plugin), statusOf(plugin)];
}

function platformsOf({ platforms }: Plugin): string {
  const names = [...new Set(platforms.map(formatPlatform))].sort();
  return names.length === 0 ? "-" : names.join(",");
}

function statusOf({ initError }: Plugin): string {
  if (!initError) return "ok";
  return initError.message.includes("skip plugin") ? "skip" : "error";
}
