import { defineCommand } from "../../command.ts";
import { failArgument } from "../../errors.ts";
import { formatLabels, parseLabels } from "../../labels.ts";
import type { label } from "../../table/containers.ts";

/** `ctr containers label ID k=v…`: prints all labels that result. */
export const labelCommand = defineCommand<typeof label>({
  async run({ args: [id = "", ...words], stdout, connect, signal }) {
    if (id === "") throw failArgument("container id must be provided");
    const client = await connect();
    await client.containers.get(id, { signal });
    if (words.length === 0) throw failArgument("no label given", "write key=value to set one, key= to clear it");
    const labels = parseLabels(words);
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    const container = await client.containers.update({ id, labels }, paths, { signal });
    await stdout.write(`${formatLabels(container.labels, "")}\n`);
  },
});
