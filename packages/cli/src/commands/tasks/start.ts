import type { Container } from "@ctr/client";
import { openCgroupWindow } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { writePidFile } from "../../pid-file.ts";
import { attachProcess, chooseIo, openTerminalFor, sizeFirst } from "../../process-session.ts";
import { taskOptions } from "../../runtime-options.ts";
import type { start } from "../../table/tasks.ts";
import { containerArgument } from "./task.ts";

/** `ctr tasks start ID`: runs a container that was created, and waits for it unless detached. */
export const startCommand = defineCommand<typeof start>({
  async run(context) {
    const { args, flags, connect, signal } = context;
    const id = containerArgument(args[0]);
    using window = openCgroupWindow();
    const client = await connect();
    const container = await client.containers.get(id, { signal });
    const tty = hasTerminalSpec(container);
    if (tty && flags.nullIo) throw fail("tty and null-io cannot be used together");
    using terminal = openTerminalFor(tty && !flags.detach);
    const io = chooseIo(flags, tty);
    const runtimeOptions = taskOptions(container.runtime.name, { noPivot: flags.noPivot });
    await using task = await container.createTask({ io, runtimeOptions, signal });
    if (flags.pidFile !== "") await writePidFile(flags.pidFile, task.pid);
    if (terminal) await sizeFirst(task, terminal, signal);
    await task.start({ signal, watch: !flags.detach });
    window[Symbol.dispose]();
    if (flags.detach) {
      await task.detach();
      return 0;
    }
    using session = attachProcess(task, context, terminal);
    const exitCode = await session.finish({ signal });
    await task.delete();
    return exitCode;
  },
});

function hasTerminalSpec(container: Container): boolean {
  return container.spec?.process?.terminal === true;
}
