import { defineCommand } from "../../command.ts";
import type { list } from "../../table/tasks.ts";
import { alignTabs, wideTable } from "../../tabwriter.ts";

/** `ctr tasks list`. */
export const listCommand = defineCommand<typeof list>({
  async run({ flags, stdout, connect, signal }) {
    const client = await connect();
    const tasks = await client.tasks.list({ signal });
    if (flags.quiet) return stdout.write(tasks.map(({ id }) => `${id}\n`).join(""));
    const lines = tasks.map(({ id, pid, status }) => `${id}\t${pid}\t${status.toUpperCase()}\n`);
    await stdout.write(alignTabs(`TASK\tPID\tSTATUS\t\n${lines.join("")}`, wideTable));
  },
});
