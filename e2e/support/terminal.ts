/** A command on a pseudo terminal of its own, typed at and read like a person would. */
export interface TerminalSession extends Disposable {
  type(text: string): void;
  resize(columns: number, rows: number): void;
  /** Resolves with what was printed so far once `pattern` appears in it; rejects if the command ends without. */
  waitFor(pattern: RegExp): Promise<string>;
  /** Everything printed so far. */
  readonly output: string;
  readonly pid: number;
  /** Exit code; 128 + n for a signal. */
  readonly exited: Promise<number>;
}

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `argv` with stdin, stdout and stderr on a new pseudo terminal. */
export function openTerminal(argv: readonly string[], options: TerminalOptions = {}): TerminalSession {
  let output = "";
  let ended = false;
  const waiters = new Set<() => void>();
  const wake = () => {
    for (const waiter of [...waiters]) waiter();
  };
  const decoder = new TextDecoder();
  const child = Bun.spawn([...argv], {
    env: { ...process.env, ...options.env },
    terminal: {
      cols: options.columns ?? 80,
      rows: options.rows ?? 24,
      data(_terminal, bytes) {
        output += decoder.decode(bytes, { stream: true });
        wake();
      },
    },
  });
  const terminal = child.terminal;
  if (!terminal) throw new Error("this Bun has no pseudo terminals");
  const exited = child.exited.then((code) => {
    ended = true;
    wake();
    return code;
  });
  return {
    type: (text) => {
      terminal.write(text);
    },
    resize: (columns, rows) => {
      terminal.resize(columns, rows);
    },
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(output) && !ended) return;
          waiters.delete(look);
          if (pattern.test(output)) resolve(output);
          else reject(new Error(`ended before ${pattern} appeared:\n${output}`));
        };
        waiters.add(look);
        look();
      }),
    get output() {
      return output;
    },
    pid: child.pid,
    exited,
    [Symbol.dispose]() {
      if (!ended) child.kill("SIGKILL");
      terminal.close();
    },
  };
}
