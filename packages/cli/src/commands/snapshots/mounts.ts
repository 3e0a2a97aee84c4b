import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import type { Mount } from "@ctr/oci";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { mounts } from "../../table/snapshots.ts";
import { mountCommands } from "./mount-output.ts";

/** `ctr snapshots mounts TARGET KEY`: the commands that would mount a snapshot. */
export const mountsCommand = defineCommand<typeof mounts>({
  async run({ args, flags, stdout, connect, signal }) {
    const [target, key] = args;
    if (target === undefined || key === undefined || args.length > 2) {
      throw fail("a target directory and a snapshot key must be given");
    }
    const client = await connect();
    const found = await client.snapshots(flags.snapshotter).mounts(key, { signal });
    // What the kernel knows is mounted as it is: a daemon that is asked would only say so.
    const asks = flags.temp || !found.every(({ type }) => type === "bind" || type === "overlay");
    const request = { name: `ctr${key}`, temporary: flags.temp };
    const ready = asks ? await activated(client, found, request, signal) : found;
    await stdout.write(mountCommands(ready, target));
  },
});

/** What is left to mount once the daemon has done its part; a daemon without a mount manager has none to do. */
async function activated(
  client: Client,
  mounts: readonly Mount[],
  { name, temporary }: { readonly name: string; readonly temporary: boolean },
  signal: AbortSignal,
): Promise<readonly Mount[]> {
  try {
    const { system } = await client.mounts.activate(name, mounts, { signal, temporary });
    return system;
  } catch (error) {
    if (hasCode(error, "unimplemented")) return mounts;
    throw error;
  }
}
