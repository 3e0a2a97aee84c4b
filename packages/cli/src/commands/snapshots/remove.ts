import { defineCommand } from "../../command.ts";
import { wrap } from "../../errors.ts";
import type { remove } from "../../table/snapshots.ts";

/** `ctr snapshots delete KEY…`: stops at the first failure. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, connect, signal }) {
    const client = await connect();
    const snapshotter = client.snapshots(flags.snapshotter);
    for (const key of args) {
      await snapshotter.remove(key, { signal }).catch((error: unknown) => {
        throw wrap(`failed to remove "${key}"`, error);
      });
    }
  },
});
