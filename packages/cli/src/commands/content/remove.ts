import { hasCode } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { messageOf } from "../../errors.ts";
import type { remove } from "../../table/content.ts";

/** `ctr content delete DIGEST…`: each one is tried; a blob that is not there is passed over. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, stdout, log, connect, signal }) {
    const client = await connect();
    let failure: unknown;
    for (const text of args) {
      try {
        const digest = digestArgument(text);
        await client.content.delete(digest, { signal });
        await stdout.write(`${digest}\n`);
      } catch (error) {
        if (hasCode(error, "not_found")) continue;
        failure ??= error;
        await log.error(`could not delete ${text}`, { error: messageOf(error) });
      }
    }
    if (failure !== undefined) throw failure;
  },
});
