import { hasCode } from "@ctr/api";
import { parseSignal, STOP_SIGNAL_LABEL } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import type { kill } from "../../table/tasks.ts";
import { containerArgument, getTask } from "./task.ts";

/** `ctr tasks kill ID`: the signal asked for, else the image's stop signal, else SIGTERM. */
export const killCommand = defineCommand<typeof kill>({
  async run({ args, flags, connect, signal }) {
    const id = containerArgument(args[0]);
    if (flags.all && flags.execId !== "") throw fail("specify an exec-id or all; not both");
    const client = await connect();
    await getTask(client, id, signal);
    const { labels } = await client.containers.get(id, { signal });
    const number = signalNumber(flags.signal || labels[STOP_SIGNAL_LABEL] || "SIGTERM");
    const execId = flags.execId === "" ? undefined : flags.execId;
    await client.tasks.kill(id, number, { signal, execId, all: flags.all });
  },
});

/** The Go tool gives a wrong name no class. */
function signalNumber(name: string): number {
  try {
    return parseSignal(name);
  } catch (error) {
    throw hasCode(error, "invalid_argument") ? fail(error.what, error.fix) : error;
  }
}
