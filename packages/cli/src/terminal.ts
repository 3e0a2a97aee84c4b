import { findTerminal, openRawTerminal as openRaw, type TerminalSize } from "@ctr/sys";
import { fail } from "./errors.ts";
import { onResize } from "./signals.ts";

/** The user's terminal in raw mode; disposing gives it back as it was. */
export interface RawTerminal extends Disposable {
  size(): TerminalSize;
  /** Calls `handler` at every change of size until the terminal is given back. */
  onResize(handler: () => void): void;
}

/** Whether any of the standard streams is a terminal. */
export function hasTerminal(): boolean {
  return findTerminal() !== undefined;
}

/**
 * Sets the user's terminal raw: the process in the container does what a terminal does. It is the first terminal among
 * stderr, stdout and stdin. It is given back also when the program ends by `process.exit`, by a signal or by an error
 * nobody caught. Fails where there is none.
 */
export function openRawTerminal(): RawTerminal {
  const fd = findTerminal();
  if (fd === undefined) throw noTerminal();
  const stack = new DisposableStack();
  const raw = stack.use(openRaw(fd));
  const restore = () => raw[Symbol.dispose]();
  process.on("exit", restore);
  stack.defer(() => process.off("exit", restore));
  return {
    size: () => raw.size(),
    onResize: (handler) => void stack.use(onResize(handler)),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** What `-t` without a terminal comes to. */
export function noTerminal(): Error {
  return fail("provided file is not a console", "-t needs a terminal: leave it out, or run `script -qc`");
}
