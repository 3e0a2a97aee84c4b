import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { formatLabels, parseLabels } from "../../labels.ts";
import type { label } from "../../table/content.ts";

/** `ctr content label DIGEST [k=v…]`: prints the labels that result. */
export const labelCommand = defineCommand<typeof label>({
  async run({ args: [text, ...words], stdout, connect, signal }) {
    const client = await connect();
    const digest = digestArgument(text);
    const labels = parseLabels(words);
    const info =
      words.length === 0
        ? await client.content.info(digest, { signal })
        : await client.content.setLabels(digest, labels, { signal });
    await stdout.write(`${formatLabels(info.labels, "")}\n`);
  },
});
