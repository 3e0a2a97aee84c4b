import { type CallSettings, openProcessIo, type ProcessIo, parseSignal, type Shim, type StdioPaths } from "@ctr/client";
import { PROCESS_TYPE_URL } from "@ctr/oci";
import { fileError, makeFifo } from "@ctr/sys";
import { type CommandContext, defineCommand } from "../../command.ts";
import { fail, messageOf } from "../../errors.ts";
import { type AttachableProcess, attachProcess } from "../../process-session.ts";
import type { exec } from "../../table/shim.ts";
import { openRawTerminal } from "../../terminal.ts";
import { openShim, raw } from "./shim.ts";

type Context = CommandContext<(typeof exec)["flags"] & (typeof exec)["inherits"]>;
const FIFO_MODE = 0o700;

/** `ctr shim --id ID exec EXEC`: a process as --spec describes it, with FIFOs for its streams. */
export const execCommand = defineCommand<typeof exec>({
  async run(context) {
    const { args, flags, stdout, log } = context;
    const [execId = ""] = args;
    if (execId === "") throw fail("exec id must be provided");
    const value = await readSpec(flags.spec);
    await using shim = await openShim(context);
    const { stdin, tty: terminal } = flags;
    const paths = { stdin, stdout: flags.stdout, stderr: terminal ? "" : flags.stderr, terminal };
    makeFifos(paths);
    await using stack = new AsyncDisposableStack();
    const io = stack.adopt(openProcessIo({ kind: "fifos", paths }, execId), (opened) => opened.detach());
    const request = { id: flags.id, execId, ...paths, spec: { typeUrl: PROCESS_TYPE_URL, value } };
    await raw(shim.task.exec(request, shim.callOptions(context)));
    const { pid } = await raw(shim.task.start({ id: flags.id, execId }, shim.callOptions(context)));
    await stdout.write(`exec running with pid ${pid}\n`);
    if (!flags.attach) return;
    await log.info("attaching");
    await attach(context, { shim, io, execId });
  },
});

interface Attached {
  readonly shim: Shim;
  readonly io: ProcessIo;
  readonly execId: string;
}

/** Passes the streams on until the process has ended and all it wrote is out. */
async function attach(context: Context, { shim, io, execId }: Attached): Promise<void> {
  const { flags, signal } = context;
  using terminal = flags.tty ? openRawTerminal() : undefined;
  const key = { id: flags.id, execId };
  const call = (settings: CallSettings = {}) => shim.callOptions(settings);
  io.opened(async () => void (await shim.task.closeIO({ ...key, stdin: true }, call())));
  const running: AttachableProcess = {
    stdin: io.stdin,
    stdout: io.stdout,
    stderr: io.stderr,
    async wait(settings) {
      const { exitStatus: exitCode, exitedAt } = await raw(shim.task.wait(key, call(settings)));
      return { exitCode, exitedAt: exitedAt && { seconds: exitedAt.seconds, nanos: exitedAt.nanos } };
    },
    async kill(name = "SIGTERM", settings = {}) {
      await raw(shim.task.kill({ ...key, signal: parseSignal(name), all: false }, call(settings)));
    },
    async resize({ width, height }, settings) {
      await raw(shim.task.resizePty({ ...key, width, height }, call(settings)));
    },
  };
  using session = attachProcess(running, context, terminal);
  await session.finish({ signal });
}

/** A file that is not there yet is made; whoever reads or writes it otherwise may have made it before. */
function makeFifos(paths: Omit<StdioPaths, "terminal">): void {
  for (const path of [paths.stdin, paths.stdout, paths.stderr]) {
    if (path === "") continue;
    try {
      makeFifo(path, FIFO_MODE);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") continue;
      throw fail(`error creating fifo ${path}: ${messageOf(error)}`);
    }
  }
}

async function readSpec(path: string): Promise<Uint8Array> {
  if (path === "") throw fail("open : no such file or directory", "name the process's JSON with --spec FILE");
  try {
    return await Bun.file(path).bytes();
  } catch (error) {
    throw fail(messageOf(fileError("open", path, error)));
  }
}
