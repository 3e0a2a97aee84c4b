import { defineCommand } from "../../command.ts";
import type { shutdown } from "../../table/shim.ts";
import { openShim, raw } from "./shim.ts";

/** `ctr shim --id ID shutdown`: nothing happens while the shim has a task. */
export const shutdownCommand = defineCommand<typeof shutdown>({
  async run(context) {
    const { flags, given } = context;
    await using shim = await openShim(context, given("api-version") ? flags.apiVersion : undefined);
    await raw(shim.task.shutdown({ id: flags.id, now: false }, shim.callOptions(context)));
  },
});
