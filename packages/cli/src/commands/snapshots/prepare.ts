import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { prepare } from "../../table/snapshots.ts";
import { formatRfc3339, now } from "../../units.ts";
import { mountCommands, mountsJson } from "./mount-output.ts";

/** `ctr snapshots prepare KEY [PARENT]`: a writable snapshot that collection leaves alone. */
export const prepareCommand = defineCommand<typeof prepare>({
  async run({ args, flags, stdout, connect, signal }) {
    const [key, parent = ""] = args;
    if (key === undefined || args.length > 2) throw fail("a key must be given, and at most a parent with it");
    const client = await connect();
    const labels = { "containerd.io/gc.root": formatRfc3339(now()) };
    const mounts = await client.snapshots(flags.snapshotter).prepare(key, parent, { signal, labels });
    if (flags.target !== "") await stdout.write(mountCommands(mounts, flags.target));
    if (flags.mounts) await stdout.write(mountsJson(mounts));
  },
});
