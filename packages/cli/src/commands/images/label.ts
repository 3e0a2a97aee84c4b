import { defineCommand } from "../../command.ts";
import { fail, failArgument } from "../../errors.ts";
import { formatLabels, parseLabels } from "../../labels.ts";
import type { label } from "../../table/images.ts";

/** `ctr images label NAME k=v…`: prints the labels that result. */
export const labelCommand = defineCommand<typeof label>({
  async run({ args: [name = "", ...words], flags, stdout, connect, signal }) {
    const client = await connect();
    if (name === "") throw fail("please specify an image");
    if (words.length === 0) throw failArgument("no label given", "write key=value to set one, key= to clear it");
    const labels = parseLabels(words);
    const paths = flags.replaceAll ? ["labels"] : Object.keys(labels).map((key) => `labels.${key}`);
    const image = await client.images.update({ name, labels }, paths, { signal });
    await stdout.write(`${formatLabels(image.labels, "")}\n`);
  },
});
