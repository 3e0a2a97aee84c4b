import { ContainerdError, classWords } from "@ctr/api";

/** A failure that carries its own exit code and is printed without `ctr: `. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A refusal in the words of the Go tool. `fix` becomes the hint. */
export function fail(message: string, fix?: string): ContainerdError {
  return new ContainerdError({ code: "unknown", what: message, ...(fix === undefined ? {} : { fix }) });
}

/** The same, of the class `invalid argument`, whose words the message then ends in. */
export function failArgument(message: string, fix?: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: message, ...(fix === undefined ? {} : { fix }) });
}

/** Puts Go-style words before an error: `failed to list images: …`, keeping class and hint. */
export function wrap(prefix: string, error: unknown): ContainerdError {
  const inner = asContainerdError(error);
  return new ContainerdError({
    code: inner.code,
    what: `${prefix}: ${messageOf(inner)}`,
    ...(inner.fix === undefined ? {} : { fix: inner.fix }),
    cause: error,
  });
}

/** The same error where the Go tool ends its line in no class words. */
export function withoutClass(error: ContainerdError): ContainerdError {
  return new ContainerdError({
    code: "unknown",
    what: error.message,
    ...(error.fix === undefined ? {} : { fix: error.fix }),
    cause: error,
  });
}

/** The line after `ctr: `: the message, ending in the words of its class. */
export function messageOf(error: unknown): string {
  if (!(error instanceof ContainerdError)) return error instanceof Error ? error.message : String(error);
  const words = classWords[error.code];
  const plain = error.message === words || error.message.endsWith(`: ${words}`);
  return words === "" || plain ? error.message : `${error.message}: ${words}`;
}

/** The error that came first, where cleaning up after it failed as well. */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** Everything stderr gets for a failure: one line, at most one hint, and the stack only when debugging. */
export function describeFailure(thrown: unknown, options: { readonly debug: boolean }): string {
  const error = firstError(thrown);
  const hint = error instanceof ContainerdError && error.fix !== undefined ? `hint: ${error.fix}\n` : "";
  const stack = options.debug && error instanceof Error && error.stack ? `${error.stack}\n` : "";
  return `ctr: ${oneLine(messageOf(error))}\n${hint}${stack}`;
}

function oneLine(message: string): string {
  return message.trimEnd();
}

function asContainerdError(error: unknown): ContainerdError {
  if (error instanceof ContainerdError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ContainerdError({ code: "unknown", what: message, cause: error });
}
