import { defineCommand } from "../../command.ts";
import { formatGoJson } from "../../go-json.ts";
import { protoToJson } from "../../proto-json.ts";
import type { state } from "../../table/shim.ts";
import { openShim, raw } from "./shim.ts";

/** `ctr shim --id ID state`: what the shim knows of a task's process. */
export const stateCommand = defineCommand<typeof state>({
  async run(context) {
    const { flags, given, stdout } = context;
    await using shim = await openShim(context, given("api-version") ? flags.apiVersion : undefined);
    const request = { id: flags.taskId === "" ? flags.id : flags.taskId, execId: "" };
    const answer = await raw(shim.task.state(request, shim.callOptions(context)));
    await stdout.write(`${formatGoJson(protoToJson(answer) ?? {}, "    ")}\n`);
  },
});
