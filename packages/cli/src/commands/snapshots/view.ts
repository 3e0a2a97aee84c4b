import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { view } from "../../table/snapshots.ts";
import { mountCommands, mountsJson } from "./mount-output.ts";

/** `ctr snapshots view KEY [PARENT]`: a read-only snapshot; the next collection takes it. */
export const viewCommand = defineCommand<typeof view>({
  async run({ args, flags, stdout, connect, signal }) {
    const [key, parent = ""] = args;
    if (key === undefined || args.length > 2) throw fail("a key must be given, and at most a parent with it");
    const client = await connect();
    const mounts = await client.snapshots(flags.snapshotter).view(key, parent, { signal });
    if (flags.target !== "") await stdout.write(mountCommands(mounts, flags.target));
    if (flags.mounts) await stdout.write(mountsJson(mounts));
  },
});
