import { defineCommand } from "../../command.ts";
import type { pause } from "../../table/tasks.ts";
import { getTask } from "./task.ts";

/** `ctr tasks pause ID`. */
export const pauseCommand = defineCommand<typeof pause>({
  async run({ args: [id = ""], connect, signal }) {
    const client = await connect();
    await getTask(client, id, signal);
    await client.tasks.pause(id, { signal });
  },
});
