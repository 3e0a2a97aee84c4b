import { hasCode } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { messageOf, wrap } from "../../errors.ts";
import type { remove } from "../../table/images.ts";

/** `ctr images delete NAME…`: each one is tried; one that does not exist is only warned of. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, stdout, log, connect, signal }) {
    const client = await connect();
    let failure: unknown;
    for (const [index, name] of args.entries()) {
      const sync = flags.sync && index === args.length - 1;
      try {
        await client.images.delete(name, { signal, sync });
        await stdout.write(`${name}\n`);
      } catch (error) {
        if (hasCode(error, "not_found")) {
          await log.warn(`${name}: image not found`);
          continue;
        }
        failure ??= wrap(`unable to delete ${name}`, error);
        await log.error(`unable to delete ${name}`, { error: messageOf(error) });
      }
    }
    if (failure !== undefined) throw failure;
  },
});
