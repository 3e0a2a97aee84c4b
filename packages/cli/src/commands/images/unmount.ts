import { hasCode } from "@ctr/api";
import { unmountAll } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { fail, wrap } from "../../errors.ts";
import type { unmount } from "../../table/images.ts";

/** `ctr images unmount TARGET`: every layer that is mounted there; with `--rm` lease and snapshot too. */
export const unmountCommand = defineCommand<typeof unmount>({
  async run({ args: [target = ""], flags, stdout, connect, signal }) {
    if (target === "") throw fail("please provide a target path to unmount from");
    await unmountAll(target).catch((error: unknown) => {
      throw wrap(`failed to unmount ${target}`, error);
    });
    if (flags.rm) {
      const client = await connect();
      await ignoreMissing(client.leases.delete(target, { signal }));
      await ignoreMissing(client.snapshots(flags.snapshotter).remove(target, { signal }));
    }
    await stdout.write(`${target}\n`);
  },
});

async function ignoreMissing(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
  }
}
