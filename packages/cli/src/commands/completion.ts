import { defineCommand } from "../command.ts";
import { scripts } from "../completion/scripts.ts";
import { failArgument } from "../errors.ts";
import type { completion } from "../table/completion.ts";

/** `ctr completion SHELL`: prints the script. An addition of ours. */
export const completionCommand = defineCommand<typeof completion>({
  async run({ args, stdout }) {
    const [shell = ""] = args;
    const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
    if (script === undefined) {
      throw failArgument(
        `no completion for the shell ${JSON.stringify(shell)}`,
        `there is one for ${Object.keys(scripts).join(", ")}`,
      );
    }
    await stdout.write(script);
  },
});
