import { defineCommand } from "../../command.ts";
import type { start } from "../../table/shim.ts";
import { openShim, raw } from "./shim.ts";

/** `ctr shim --id ID start ID`. */
export const startCommand = defineCommand<typeof start>({
  async run(context) {
    await using shim = await openShim(context);
    await raw(shim.task.start({ id: context.args[0] ?? "", execId: "" }, shim.callOptions(context)));
  },
});
