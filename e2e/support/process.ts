/** How a command of a test ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Text or bytes for standard input; without it the command reads end of file. */
  readonly stdin?: string | Uint8Array;
  /** Kills the command, and fails the test, when it takes longer. */
  readonly timeoutMs?: number;
}

/** Runs a command to its end and returns what it printed. A signal counts as 128 + its number. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = Bun.spawn([...argv], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdin: options.stdin === undefined ? "ignore" : new Response(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.timeoutMs ?? 60_000);
  try {
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    await child.exited;
    if (late) throw new Error(`took too long: ${argv.join(" ")}\n${stdout}\n${stderr}`);
    return { code: child.exitCode ?? 128 + signalNumber(child.signalCode), stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a command that must succeed and returns its stdout. */
export async function mustRun(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const outcome = await run(argv, options);
  if (outcome.code !== 0) {
    throw new Error(`${argv.join(" ")}: exit ${outcome.code}\n${outcome.stdout}${outcome.stderr}`);
  }
  return outcome.stdout;
}

function signalNumber(signal: string | number | null): number {
  if (typeof signal === "number") return signal;
  const signals: Readonly<Record<string, number>> = process.getBuiltinModule("node:os").constants.signals;
  return (signal !== null && signals[signal]) || 0;
}

/** Waits until `stream` has a line that `pattern` matches, then goes on reading it into nowhere. */
export async function waitForLine(
  stream: ReadableStream<Uint8Array>,
  pattern: RegExp,
  what: string,
): Promise<RegExpExecArray> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`${what} ended before it was ready:\n${text}`);
    text += decoder.decode(value, { stream: true });
    const found = pattern.exec(text);
    if (found) {
      void drain(reader);
      return found;
    }
  }
}

/** Keeps a pipe from filling; ends with the process behind it. */
async function drain(reader: { read(): Promise<{ readonly done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}
