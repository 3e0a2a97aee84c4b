import { fail } from "./errors.ts";
import { onResize } from "./signals.ts";

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** The user's terminal in raw mode; disposing gives it back as it was. */
export interface RawTerminal extends Disposable {
  size(): TerminalSize;
  /** Calls `handler` at every change of size until the terminal is given back. */
  onResize(handler: () => void): void;
}

/** Whether any of the standard streams is a terminal. */
export function hasTerminal(): boolean {
  const { isatty } = process.getBuiltinModule("node:tty");
  return [2, 1, 0].some((fd) => isatty(fd));
}

/**
 * Sets the user's terminal raw: the process in the container does what a terminal does. It is given back also when the
 * program ends by `process.exit` or by an error nobody caught. Fails where there is none, before anything was made.
 */
export function openRawTerminal(): RawTerminal {
  if (!hasTerminal())
    throw fail("provided file is not a console", "-t needs a terminal: leave it out, or run `script -qc`");
  const input = process.stdin.isTTY ? process.stdin : undefined;
  const restore = () => void input?.setRawMode(false);
  input?.setRawMode(true);
  process.on("exit", restore);
  const watchers = new DisposableStack();
  return {
    size: () => ({
      width: process.stdout.columns || process.stderr.columns || 80,
      height: process.stdout.rows || process.stderr.rows || 24,
    }),
    onResize: (handler) => void watchers.use(onResize(handler)),
    [Symbol.dispose]() {
      watchers.dispose();
      process.off("exit", restore);
      restore();
    },
  };
}
