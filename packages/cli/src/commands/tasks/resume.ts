import { defineCommand } from "../../command.ts";
import type { resume } from "../../table/tasks.ts";
import { getTask } from "./task.ts";

/** `ctr tasks resume ID`. */
export const resumeCommand = defineCommand<typeof resume>({
  async run({ args: [id = ""], connect, signal }) {
    const client = await connect();
    await getTask(client, id, signal);
    await client.tasks.resume(id, { signal });
  },
});
