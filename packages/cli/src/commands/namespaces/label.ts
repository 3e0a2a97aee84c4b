import { hasCode } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { parseLabels } from "../../labels.ts";
import type { label } from "../../table/namespaces.ts";

/** `ctr namespaces label NAME [k=v…]`; a namespace that does not exist is left alone, as with the Go tool. */
export const labelCommand = defineCommand<typeof label>({
  async run({ args: [name = "", ...words], connect, signal }) {
    if (name === "") throw fail("please specify a namespace");
    const client = await connect();
    const labels = parseLabels(words);
    if (Object.keys(labels).length === 0) return;
    try {
      await client.namespaces.setLabels(name, labels, { signal });
    } catch (error) {
      if (!hasCode(error, "not_found")) throw error;
    }
  },
});
