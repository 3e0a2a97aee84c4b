import { defineCommand } from "../../command.ts";
import type { remove } from "../../table/shim.ts";
import { openShim, raw } from "./shim.ts";

/** `ctr shim --id ID delete ID`. */
export const deleteCommand = defineCommand<typeof remove>({
  async run(context) {
    await using shim = await openShim(context);
    const request = { id: context.args[0] ?? "", execId: "" };
    const { exitStatus } = await raw(shim.task.delete(request, shim.callOptions(context)));
    await context.stdout.write(`container deleted and returned exit status ${exitStatus}\n`);
  },
});
