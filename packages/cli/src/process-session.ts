import type { ContainerProcess, IoChoice } from "@ctr/client";
import { messageOf } from "./errors.ts";
import type { Logger } from "./log.ts";
import { exitOnInterrupt, forwardSignals } from "./signals.ts";
import type { Input, Output } from "./streams.ts";
import { openRawTerminal, type RawTerminal } from "./terminal.ts";

/** The flags that say where a process's streams go. */
export interface IoFlags {
  readonly nullIo?: boolean;
  readonly logUri: string;
  readonly fifoDir: string;
}

/** Where the streams go: nowhere, to the shim's own logger, to a terminal or through FIFOs. */
export function chooseIo(flags: IoFlags, terminal: boolean): IoChoice {
  const fifoDir = flags.fifoDir === "" ? undefined : flags.fifoDir;
  if (flags.nullIo) return { kind: "null" };
  if (terminal) return { kind: "terminal", fifoDir };
  if (flags.logUri !== "") return { kind: "logUri", uri: flags.logUri };
  return { kind: "pipe", stdin: true, fifoDir };
}

export interface ProcessStreams {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly log: Logger;
}

/** What of a process somebody can watch. */
export type AttachableProcess = Pick<ContainerProcess, "stdin" | "stdout" | "stderr" | "wait" | "kill" | "resize">;

/** What is between the user and a process while he watches it. */
export interface ProcessSession extends Disposable {
  /**
   * Resolves when the process has ended and all it wrote has been passed on; its exit code. Throws `ReaderGone` as soon
   * as nobody reads us any more, and the reason of `signal` when that aborts.
   */
  finish(settings: { readonly signal: AbortSignal }): Promise<number>;
}

/**
 * Gives a process its terminal's size before its first instruction, so that it never sees one without. A shim that can do
 * so only once it runs is asked again then.
 */
export async function sizeFirst(
  task: Pick<ContainerProcess, "resize">,
  terminal: Pick<RawTerminal, "size">,
  signal: AbortSignal,
): Promise<void> {
  await task.resize(terminal.size(), { signal }).catch(() => signal.throwIfAborted());
}

/**
 * Connects the user to a process that runs: streams both ways, and the signals, or the terminal's size where there is
 * one. Everything is let go on disposal.
 */
export function attachProcess(
  running: AttachableProcess,
  streams: ProcessStreams,
  terminal: RawTerminal | undefined,
): ProcessSession {
  const stack = new DisposableStack();
  const outputs = Promise.all([copyOut(running.stdout, streams.stdout), copyOut(running.stderr, streams.stderr)]);
  // Its failure is told by finish(); a process that ends first must not turn it into an unhandled one.
  outputs.catch(() => undefined);
  void copyIn(streams.stdin, running, streams.log);
  if (terminal) {
    followSize(running, terminal, streams.log);
    // The keys go to the process; who signals this program means the program.
    stack.use(exitOnInterrupt());
  } else stack.use(forwardSignals(running, streams.log));
  return {
    async finish({ signal }) {
      const ended = running.wait();
      const all = Promise.all([ended, outputs]);
      const givenUp = abortOf(signal);
      // Its failure counts only while somebody waits for it.
      givenUp.promise.catch(() => undefined);
      try {
        // Whichever fails first is told, though the process runs on.
        const [{ exitCode }] = await Promise.race([all, givenUp.promise]);
        return exitCode;
      } finally {
        givenUp[Symbol.dispose]();
      }
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** A terminal in raw mode where the process has one. */
export function openTerminalFor(wanted: boolean): RawTerminal | undefined {
  return wanted ? openRawTerminal() : undefined;
}

/** A promise that fails with the reason of `signal`, until disposed of. */
function abortOf(signal: AbortSignal): { readonly promise: Promise<never> } & Disposable {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return { promise, [Symbol.dispose]: () => signal.removeEventListener("abort", abort) };
}

async function copyOut(from: AsyncIterable<Uint8Array>, to: Output): Promise<void> {
  for await (const chunk of from) await to.write(chunk);
}

async function copyIn(from: Input, running: AttachableProcess, log: Logger): Promise<void> {
  try {
    for await (const chunk of readable(from, log)) await running.stdin.write(chunk);
  } catch {
    // The process has gone; what is left of our input stays unread.
  }
  // Also after an input that could not be read: the process is not to wait for more.
  await running.stdin.end().catch(() => undefined);
}

/** What comes before a failure to read is input all the same; the failure itself is told. */
async function* readable(from: Input, log: Logger): AsyncIterable<Uint8Array> {
  try {
    yield* from.chunks();
  } catch (error) {
    await log.error("read stdin", { error: messageOf(error) });
  }
}

function followSize(running: AttachableProcess, terminal: RawTerminal, log: Logger): void {
  const resize = () => {
    running.resize(terminal.size()).catch((error: unknown) => log.error("resize pty", { error: messageOf(error) }));
  };
  resize();
  terminal.onResize(resize);
}
