import { firstError, messageOf } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Signals a user or a service manager may send and a program may catch; SIGURG belongs to run-times. */
const forwarded = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGWINCH",
] as const satisfies readonly NodeJS.Signals[];

/** What a signal can be sent on to. */
export interface SignalTarget {
  kill(signal: string): Promise<void>;
}

/** Sends every signal this program gets to `target` until disposed of. A failure is logged, never thrown. */
export function forwardSignals(target: SignalTarget, log: Logger): Disposable {
  const handlers = forwarded.map((name) => {
    const handler = () => {
      target.kill(name).catch((error: unknown) => log.error(`forward signal ${name}`, { error: messageOf(error) }));
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return {
    [Symbol.dispose]() {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}

/** Calls `handler` at every change of the terminal's size until disposed of. */
export function onResize(handler: () => void): Disposable {
  process.on("SIGWINCH", handler);
  return { [Symbol.dispose]: () => void process.off("SIGWINCH", handler) };
}

/** Signals that end the program; what was begun is cleaned up first. */
const ending = ["SIGINT", "SIGTERM", "SIGHUP"] as const satisfies readonly NodeJS.Signals[];

/** The user, or a service manager, ended the program. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** What a shell says of a program that a signal ended: 128 + its number. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super("context canceled");
    this.exitCode = exitCodeOf(signal);
  }
}

/** The interrupt that led to `error`, if one did. */
export function interruptBehind(error: unknown): Interrupted | undefined {
  for (let cause = firstError(error); cause instanceof Error; cause = cause.cause)
    if (cause instanceof Interrupted) return cause;
  return undefined;
}

/** A signal that aborts when the user ends the program, so that work under way can tidy up behind itself. */
export function abortOnInterrupt(parent: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const handling = onEnding((name) => controller.abort(new Interrupted(name)));
  return { signal: AbortSignal.any([parent, controller.signal]), [Symbol.dispose]: () => handling[Symbol.dispose]() };
}

/** Ends the program at once when told to, by way of its exit handlers, until disposed of. */
export function exitOnInterrupt(): Disposable {
  return onEnding((name) => process.exit(exitCodeOf(name)));
}

function onEnding(handler: (name: NodeJS.Signals) => void): Disposable {
  for (const name of ending) process.on(name, handler);
  return {
    [Symbol.dispose]() {
      for (const name of ending) process.off(name, handler);
    },
  };
}

function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + (process.getBuiltinModule("node:os").constants.signals[signal] ?? 0);
}
