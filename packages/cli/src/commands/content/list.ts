import { defineCommand } from "../../command.ts";
import { formatLabels } from "../../labels.ts";
import type { list } from "../../table/content.ts";
import { alignTabs, contentTable } from "../../tabwriter.ts";
import { formatAge, formatSi, now, toNanos } from "../../units.ts";

/** `ctr content list [filter…]`. */
export const listCommand = defineCommand<typeof list>({
  async run({ args, flags, stdout, connect, signal }) {
    const client = await connect();
    const nowNanos = toNanos(now());
    const lines = flags.quiet ? [] : ["DIGEST\tSIZE\tAGE\tLABELS\n"];
    try {
      for await (const { digest, size, createdAt, labels } of client.content.walk(args, { signal })) {
        const age = createdAt ? formatAge(nowNanos - toNanos(createdAt)) : "-";
        lines.push(
          flags.quiet ? `${digest}\n` : `${digest}\t${formatSi(size)}\t${age}\t${formatLabels(labels, "-")}\n`,
        );
      }
    } finally {
      // What came before a failure is printed too, the header at least.
      await stdout.write(flags.quiet ? lines.join("") : alignTabs(lines.join(""), contentTable));
    }
  },
});
