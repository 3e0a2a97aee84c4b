import { hasCode } from "@ctr/api";
import type { Client, RestoredContainer } from "@ctr/client";
import type { Descriptor } from "@ctr/oci";
import { type CommandContext, defineCommand } from "../../command.ts";
import { explainCriu } from "../../criu.ts";
import { fail } from "../../errors.ts";
import { attachProcess, chooseIo, openTerminalFor, sizeFirst } from "../../process-session.ts";
import { abortOnInterrupt } from "../../signals.ts";
import type { restore } from "../../table/containers.ts";

type Context = CommandContext<(typeof restore)["flags"]>;

/**
 * `ctr containers restore CONTAINER REF`: a new container from a checkpoint, started. It is left running, unless it has
 * a terminal: that one is attached, and its exit code is the command's.
 */
export const restoreCommand = defineCommand<typeof restore>({
  async run(context) {
    const { args, flags, connect, log } = context;
    const [id = "", name = ""] = args;
    if (id === "") throw fail("container id must be provided");
    if (name === "") throw fail("ref must be provided");
    const client = await connect();
    using interrupt = abortOnInterrupt(context.signal);
    const { signal } = interrupt;
    // Until the task is made nothing else keeps a checkpoint that was fetched.
    await using lease = await client.leases.hold({ signal });
    const checkpoint = await findCheckpoint(context, lease.client, name, signal);
    const restored = await lease.client.containers.restore(checkpoint, id, { ...flags, signal });
    const { dropped } = restored;
    if (dropped.length > 0) await log.warn("annotations of the checkpoint are left out", { keys: dropped.join(",") });
    return await startRestored(context, restored, interrupt);
  },
});

/** The image of that name, or what a registry has under it; no image is made of that. */
async function findCheckpoint(
  context: Context,
  client: Client,
  name: string,
  signal: AbortSignal,
): Promise<Descriptor> {
  try {
    return (await client.images.get(name, { signal })).target;
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
  }
  const { resolverOf } = await import("../../registry-options.ts");
  const resolver = await resolverOf(defaultRegistry, context);
  return await client.images.fetch(name, { resolver, signal });
}

/** No flag says otherwise: credentials as stored, hosts as configured. */
const defaultRegistry = {
  skipVerify: false,
  plainHttp: false,
  user: "",
  refresh: "",
  hostsDir: "",
  tlscacert: "",
  tlscert: "",
  tlskey: "",
  httpDump: false,
  httpTrace: false,
};

/** Its task. Where that does not start the container goes again, else the next try would meet the id. */
async function startRestored(
  context: Context,
  { container, dump }: RestoredContainer,
  interrupt: ReturnType<typeof abortOnInterrupt>,
): Promise<number> {
  const { signal } = interrupt;
  const tty = container.spec?.process?.terminal === true;
  const io = chooseIo({ logUri: "", fifoDir: "" }, tty);
  let started = false;
  try {
    using terminal = openTerminalFor(tty);
    await using task = await container.createTask({ io, checkpoint: dump, signal });
    if (terminal) await sizeFirst(task, terminal, signal);
    await task.start({ signal, watch: tty });
    started = true;
    if (!terminal) {
      await task.detach();
      return 0;
    }
    using session = attachProcess(task, context, terminal);
    interrupt[Symbol.dispose]();
    const exitCode = await session.finish({ signal });
    await task.delete();
    return exitCode;
  } catch (error) {
    // The error that led here is the one to see.
    if (!started) await container.delete().catch(() => undefined);
    throw explainCriu(error);
  }
}
