import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { parseLabels } from "../../labels.ts";
import type { create } from "../../table/namespaces.ts";

/** `ctr namespaces create NAME [k=v…]`. */
export const createCommand = defineCommand<typeof create>({
  async run({ args: [name = "", ...labels], connect, signal }) {
    if (name === "") throw fail("please specify a namespace");
    const client = await connect();
    await client.namespaces.create(name, parseLabels(labels), { signal });
  },
});
