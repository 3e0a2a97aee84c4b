import { defineCommand } from "../../command.ts";
import { removeFifos } from "../../fifos.ts";
import { attachProcess, openTerminalFor } from "../../process-session.ts";
import type { attach } from "../../table/tasks.ts";
import { getTask } from "./task.ts";

/** `ctr tasks attach ID`: the streams of a running task; passes its exit code on and deletes it at the end. */
export const attachCommand = defineCommand<typeof attach>({
  async run(context) {
    const { args, connect, signal } = context;
    const id = args[0] ?? "";
    const client = await connect();
    const container = await client.containers.get(id, { signal });
    const info = await getTask(client, id, signal);
    using terminal = openTerminalFor(container.spec?.process?.terminal === true);
    const task = await container.attach({ signal });
    using session = attachProcess(task, context, terminal);
    const exitCode = await session.finish({ signal });
    await task.delete();
    // Whoever started it left them for us.
    await removeFifos(info);
    return exitCode;
  },
});
