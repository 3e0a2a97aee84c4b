import { messageOf } from "./errors.ts";
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

/** A signal that aborts when the user ends the program, so that work under way can tidy up behind itself. */
export function abortOnInterrupt(parent: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const handler = () => controller.abort(new DOMException("context canceled", "AbortError"));
  for (const name of ending) process.on(name, handler);
  return {
    signal: AbortSignal.any([parent, controller.signal]),
    [Symbol.dispose]() {
      for (const name of ending) process.off(name, handler);
    },
  };
}
