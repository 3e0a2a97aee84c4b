import { defineCommand } from "../../command.ts";
import { messageOf } from "../../errors.ts";
import type { remove } from "../../table/sandboxes.ts";

/** `ctr sandboxes remove ID…`: each one is tried, what fails is logged; the exit code is 0, as the Go tool's. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, log, connect, signal }) {
    const { sandboxes } = await connect();
    for (const id of args) {
      try {
        await sandboxes.get(id, { signal });
      } catch (error) {
        await log.error(`failed to load sandbox ${id}`, { error: messageOf(error) });
        continue;
      }
      try {
        await sandboxes.stop(id, { signal });
      } catch (error) {
        await log.error(`failed to stop sandbox ${id}`, { error: messageOf(error) });
        if (!flags.force) continue;
      }
      try {
        await sandboxes.shutdown(id, { signal });
        await log.info(`deleted: ${id}`);
      } catch (error) {
        await log.error(`failed to shutdown sandbox ${id}`, { error: messageOf(error) });
      }
    }
  },
});
