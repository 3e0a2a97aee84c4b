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
export declare function openTerminal(argv: readonly string[], options?: TerminalOptions): TerminalSession;
