import { defineCommand } from "../../command.ts";
import type { active } from "../../table/content.ts";
import { contentTable, formatTable } from "../../tabwriter.ts";
import { ageOf, formatSi, now } from "../../units.ts";

/** `ctr content active [regexp]`: writes in progress; the word is a filter for their refs. */
export const activeCommand = defineCommand<typeof active>({
  async run({ args: [match = ""], flags, stdout, connect, signal }) {
    const client = await connect();
    const timeoutMs = flags.timeout === 0n ? undefined : Number(flags.timeout / 1_000_000n);
    const statuses = await client.content.statuses(match === "" ? [] : [match], { signal, timeoutMs });
    const at = now();
    const rows = statuses.map(({ ref, offset, startedAt }) => [ref, formatSi(offset), ageOf(startedAt, at)]);
    await stdout.write(formatTable([["REF", "SIZE", "AGE"], ...rows], contentTable));
  },
});
