import { defineCommand } from "../../command.ts";
import { messageOf } from "../../errors.ts";
import type { prune } from "../../table/images.ts";

/** `ctr images prune --all`: every image that no container names. What cannot be deleted is only warned of. */
export const pruneCommand = defineCommand<typeof prune>({
  async run({ flags, log, connect, signal }) {
    const client = await connect();
    if (!flags.all) {
      await log.warn("No images pruned. `image prune` requires --all to be specified.");
      return;
    }
    const [images, containers] = await Promise.all([
      client.images.list([], { signal }),
      client.containers.list([], { signal }),
    ]);
    const used = new Set(containers.map(({ image }) => image));
    const unused = images.filter(({ name }) => !used.has(name));
    for (const [index, { name }] of unused.entries()) {
      try {
        // The last one waits until what they all kept is collected.
        await client.images.delete(name, { sync: index === unused.length - 1, signal });
        await log.info(`deleted image: ${name}\n`);
      } catch (error) {
        await log.warn(`failed to delete image ${name}`, { error: messageOf(error) });
      }
    }
  },
});
