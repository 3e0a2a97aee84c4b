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
export declare function run(argv: readonly string[], options?: RunOptions): Promise<Outcome>;
/** Runs a command that must succeed and returns its stdout. */
export declare function mustRun(argv: readonly string[], options?: RunOptions): Promise<string>;
/** Waits until `stream` has a line that `pattern` matches, then goes on reading it into nowhere. */
export declare function waitForLine(
  stream: ReadableStream<Uint8Array>,
  pattern: RegExp,
  what: string,
): Promise<RegExpExecArray>;
