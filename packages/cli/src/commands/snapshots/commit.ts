import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { commit } from "../../table/snapshots.ts";
import { formatRfc3339, now } from "../../units.ts";

/** `ctr snapshots commit NAME ACTIVE`. */
export const commitCommand = defineCommand<typeof commit>({
  async run({ args, flags, connect, signal }) {
    const [name, active] = args;
    if (name === undefined || active === undefined || args.length > 2) {
      throw fail("a name for the committed snapshot and the key of an active one must be given");
    }
    const client = await connect();
    const labels = { "containerd.io/gc.root": formatRfc3339(now()) };
    await client.snapshots(flags.snapshotter).commit(name, active, { signal, labels });
  },
});
