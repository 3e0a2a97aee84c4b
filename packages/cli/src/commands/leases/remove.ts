import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { remove } from "../../table/leases.ts";

/** `ctr leases delete ID…`: stops at the first failure; `--sync` waits for collection after the last. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, stdout, connect, signal }) {
    if (args.length === 0) throw fail("please specify a lease to delete", "`ctr leases ls -q` lists their ids");
    const client = await connect();
    for (const [index, id] of args.entries()) {
      const sync = flags.sync && index === args.length - 1;
      await client.leases.delete(id, { signal, sync });
      await stdout.write(`${id}\n`);
    }
  },
});
