import { hasCode } from "@ctr/api";
import { defineCommand } from "../../command.ts";
import { messageOf, wrap } from "../../errors.ts";
import type { remove } from "../../table/namespaces.ts";

/** `ctr namespaces remove NAME…`: each one is tried, the first failure is the command's. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, stdout, log, connect, signal }) {
    const client = await connect();
    let failure: Error | undefined;
    for (const name of args) {
      try {
        if (flags.cgroup) await removeCgroup(name);
        await client.namespaces.delete(name, { signal });
      } catch (error) {
        if (!hasCode(error, "not_found")) {
          await log.error(`unable to delete ${name}`, { error: messageOf(error) });
          failure ??= wrap(`unable to delete ${name}`, error);
          continue;
        }
      }
      await stdout.write(`${name}\n`);
    }
    if (failure) throw failure;
  },
});

/** The cgroup named after a namespace, in every hierarchy; one that is not there is fine. */
async function removeCgroup(name: string): Promise<void> {
  const { readdir, rmdir } = await import("node:fs/promises");
  const root = "/sys/fs/cgroup";
  const hierarchies = [
    root,
    ...(await readdir(root, { withFileTypes: true })).filter((e) => e.isDirectory()).map((e) => `${root}/${e.name}`),
  ];
  for (const hierarchy of hierarchies) {
    try {
      await rmdir(`${hierarchy}/${name}`);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }
}
