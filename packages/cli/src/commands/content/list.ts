import { defineCommand } from "../../command.ts";
import { formatLabels } from "../../labels.ts";
import type { list } from "../../table/content.ts";
import { contentTable, formatOpenTable } from "../../tabwriter.ts";
import { formatAge, formatSi, now, toNanos } from "../../units.ts";

/** `ctr content list [filter…]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const nowNanos = toNanos(now());
    const rows: (readonly string[])[] = flags.quiet ? [] : [["DIGEST", "SIZE", "AGE", "LABELS"]];
    try {
      for await (const { digest, size, createdAt, labels } of client.content.walk(args, { signal })) {
        const age = createdAt ? formatAge(nowNanos - toNanos(createdAt)) : "-";
        rows.push(flags.quiet ? [digest] : [digest, formatSi(size), age, formatLabels(labels, "-")]);
      }
    } finally {
      // What came before a failure is printed too, the header at least.
      await stdout.write(
        flags.quiet ? rows.map(([digest]) => `${digest}\n`).join("") : formatOpenTable(rows, contentTable),
      );
    }
  },
});
