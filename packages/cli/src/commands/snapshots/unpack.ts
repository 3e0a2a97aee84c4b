import { defineCommand } from "../../command.ts";
import { digestArgument } from "../../content-arguments.ts";
import { defaultSnapshotter } from "../../default-snapshotter.ts";
import { fail } from "../../errors.ts";
import type { unpack } from "../../table/snapshots.ts";

/** `ctr snapshots unpack DIGEST`: the first image whose target this is. */
export const unpackCommand = defineCommand<typeof unpack>({
  async run({ args, flags, stdout, connect, signal }) {
    const digest = digestArgument(args[0]);
    const client = await connect();
    const images = await client.images.list([], { signal });
    const image = images.find(({ target }) => target.digest === digest);
    if (!image) throw fail("manifest not found");
    const snapshotter = await defaultSnapshotter(client, flags.snapshotter, signal);
    await stdout.write(`unpacking ${digest} (${image.target.mediaType})...`);
    await client.images.unpack(image.target, { signal, snapshotter, syncFs: flags.syncFs });
    await stdout.write("done\n");
  },
});
