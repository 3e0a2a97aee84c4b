import type { SpecProcess } from "@ctr/oci";
import { openCgroupWindow } from "@ctr/sys";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { attachProcess, chooseIo, openTerminalFor } from "../../process-session.ts";
import type { exec } from "../../table/tasks.ts";
import { containerArgument, noTask } from "./task.ts";

/** `ctr tasks exec --exec-id E ID CMD…`: a further process with the rights of the container's first one. */
export const execCommand = defineCommand<typeof exec>({
  async run(context) {
    const { args, flags, connect, signal } = context;
    const id = containerArgument(args[0]);
    if (flags.tty && flags.logUri !== "") throw fail("can't use log-uri with tty");
    if (flags.logUri !== "" && flags.fifoDir !== "") throw fail("can't use log-uri with fifo-dir");
    using window = openCgroupWindow();
    const client = await connect();
    const container = await client.containers.get(id, { signal });
    // Loaded by who names one.
    const loadUser = () => import("./exec-user.ts");
    const user = flags.user && (await (await loadUser()).userOf(client, container, flags.user, signal));
    const change: Partial<SpecProcess> = {
      terminal: flags.tty,
      ...(flags.cwd === "" ? {} : { cwd: flags.cwd }),
      ...(user && { user }),
    };
    using terminal = openTerminalFor(flags.tty && !flags.detach);
    await using running = await container
      .presumedTask()
      .exec({
        args: args.slice(1),
        execId: flags.execId,
        io: chooseIo(flags, flags.tty),
        process: change,
        signal,
      })
      .catch(noTask);
    await running.start({ signal, watch: !flags.detach });
    window[Symbol.dispose]();
    if (flags.detach) {
      await running.detach();
      return 0;
    }
    using session = attachProcess(running, context, terminal);
    const exitCode = await session.finish({ signal });
    await running.delete();
    return exitCode;
  },
});
