import { defineCommand } from "../../command.ts";
import { formatLabels } from "../../labels.ts";
import type { list } from "../../table/content.ts";
import { contentTable, formatOpenTable } from "../../tabwriter.ts";
import { ageOf, formatSi, now } from "../../units.ts";

/** `ctr content list [filter…]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const at = now();
    const rows: (readonly string[])[] = flags.quiet ? [] : [["DIGEST", "SIZE", "AGE", "LABELS"]];
    try {
      for await (const page of client.content.summaries(args, { signal })) {
        for (const { digest, size, createdAt, labels } of page) {
          if (flags.quiet) rows.push([digest]);
          else rows.push([digest, formatSi(size), ageOf(createdAt, at), formatLabels(labels, "-")]);
        }
      }
    } finally {
      // What came before a failure is printed too, the header at least.
      await stdout.write(
        flags.quiet ? rows.map(([digest]) => `${digest}\n`).join("") : formatOpenTable(rows, contentTable),
      );
    }
  },
});
