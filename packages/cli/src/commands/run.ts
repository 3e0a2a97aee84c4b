import { ContainerdError, hasCode } from "@ctr/api";
import { type Container, checkFifoDir, checkNetwork, type Task, withGrace } from "@ctr/client";
import { encodeSpec } from "@ctr/oci";
import { openCgroupWindow } from "@ctr/sys";
import { type CommandContext, defineCommand } from "../command.ts";
import { type MadeContainer, makeContainer } from "../container-maker.ts";
import { fail, messageOf, withoutClass } from "../errors.ts";
import { formatGoJson, RawJson } from "../go-json.ts";
import { writePidFile } from "../pid-file.ts";
import { attachProcess, chooseIo, openTerminalFor, sizeFirst } from "../process-session.ts";
import { taskOptions } from "../runtime-options.ts";
import { abortOnInterrupt, interruptBehind } from "../signals.ts";
import type { run } from "../table/run.ts";
import { hasTerminal, noTerminal } from "../terminal.ts";

type Context = CommandContext<(typeof run)["flags"]>;

/** `ctr run IMAGE|ROOTFS ID [CMD…]`: a container, its task, and the task's exit code. */
export const runCommand = defineCommand<typeof run>({
  async run(context) {
    const { flags, connect } = context;
    const place = parseArguments(context);
    await checkTask(flags);
    using beginning = new DisposableStack();
    beginning.use(openCgroupWindow());
    const client = await connect();
    // Until the process runs an interrupt is ours; then it is the process's.
    const { signal } = beginning.use(abortOnInterrupt(context.signal));
    const made = await makeContainer(client, requestOf(context, place), signal);
    const { container } = made;
    let keep = !flags.rm;
    let isTaskless = false;
    try {
      if (flags.dumpConfig !== "" || context.given("dump-config")) await dumpSpec(container, flags.dumpConfig);
      const exitCode = await runTask(context, made, { signal, beginning });
      isTaskless = true;
      return exitCode;
    } catch (error) {
      keep &&= interruptBehind(error) === undefined;
      throw error;
    } finally {
      if (!keep) await removeContainer(context, container, { isTaskless });
      await made.release();
    }
  },
});

/** What can be told without a daemon is told before one is asked, and before anything is made. */
async function checkTask(flags: Context["flags"]): Promise<void> {
  if (flags.cni) await checkCni(flags);
  if (flags.tty && flags.nullIo) throw fail("tty and null-io cannot be used together");
  if (flags.tty && !flags.detach && !hasTerminal()) {
    throw noTerminal();
  }
  const io = chooseIo(flags, flags.tty);
  if (io.kind === "pipe" || io.kind === "terminal") checkFifoDir(io.fifoDir);
}

async function checkCni({ netHost }: Context["flags"]): Promise<void> {
  if (netHost) throw fail("--cni and --net-host cannot be used together");
  try {
    await checkNetwork();
  } catch (error) {
    throw error instanceof ContainerdError ? withoutClass(error) : error;
  }
}

function parseArguments({ args, flags }: Context) {
  if (flags.rm && flags.detach) throw fail("flags --detach and --rm cannot be specified together");
  if (flags.config !== "") {
    const [id = ""] = args;
    if (id === "") throw fail("container id must be provided");
    if (args.length > 1) throw fail("with spec config file, only container id should be provided");
    return { source: "", id, args: [] };
  }
  const [source = "", id = "", ...words] = args;
  if (source === "") throw fail("image ref must be provided");
  if (id === "") throw fail("container id must be provided");
  return { source, id, args: words };
}

function requestOf({ flags, given }: Context, place: ReturnType<typeof parseArguments>) {
  const cgroup = given("cgroup") ? flags.cgroup : undefined;
  return { flags, allowNewPrivsGiven: given("allow-new-privs"), run: { ...flags, cgroup }, ...place };
}

async function dumpSpec(container: Container, path: string): Promise<void> {
  if (path === "") throw fail("file name is required with --dump-config");
  const bytes = container.rawSpec?.value ?? encodeSpec(container.spec ?? { ociVersion: "" });
  const { writeFile } = await import("node:fs/promises");
  await writeFile(path, formatGoJson(new RawJson(new TextDecoder().decode(bytes)), "  "));
}

/** The task from creation to end. Disposing it kills and deletes what an error left. */
async function runTask(
  context: Context,
  { container, rootfs, release }: MadeContainer,
  { signal, beginning }: { readonly signal: AbortSignal; readonly beginning: DisposableStack },
): Promise<number> {
  const { flags } = context;
  const tty = container.spec?.process?.terminal === true;
  using terminal = openTerminalFor(tty && !flags.detach);
  const creating = container.createTask({
    io: chooseIo(flags, tty),
    rootfs,
    runtimeOptions: taskOptions(flags.runtime, {
      noPivot: flags.noPivot,
      ioUid: firstHostId(flags.uidmap, flags.gidmap),
      ioGid: firstHostId(flags.gidmap, flags.uidmap),
    }),
    signal: withGrace(signal),
    cni: { signal },
  });
  // Its failure is told by whoever waits for it, in the end.
  release().catch(() => undefined);
  await using task = await creating;
  await tellNetwork(context, task);
  signal.throwIfAborted();
  if (flags.pidFile !== "") await writePidFile(flags.pidFile, task.pid);
  if (terminal) await sizeFirst(task, terminal, signal);
  await task.start({ signal: withGrace(signal), watch: !flags.detach });
  if (flags.detach) {
    await task.detach();
    return 0;
  }
  using session = attachProcess(task, context, terminal);
  beginning.dispose();
  // One that came between start and attach would else be lost.
  signal.throwIfAborted();
  const exitCode = await session.finish({ signal });
  await task.delete();
  return exitCode;
}

/** Where the container can be reached; on stderr, as stdout is the process's. */
async function tellNetwork({ log }: Context, { network }: Task): Promise<void> {
  if (network === undefined) return;
  const { name, interfaceName, addresses } = network;
  await log.debug("connected to a network", { name, interface: interfaceName, addresses: addresses.join(",") });
}

/** Who owns the streams: the first host id of a mapping; mappings count only when both kinds are given. */
function firstHostId(mappings: readonly string[], others: readonly string[]): number | undefined {
  return others.length === 0 ? undefined : Number(mappings[0]?.split(":")[1] ?? 0);
}

/** `--rm`, also after an error; a failure here must not hide the one before. */
async function removeContainer(
  { log }: Context,
  container: Container,
  options: { readonly isTaskless: boolean },
): Promise<void> {
  try {
    await container.delete(options);
  } catch (error) {
    if (!hasCode(error, "not_found")) await log.error("failed to cleanup container", { error: messageOf(error) });
  }
}
