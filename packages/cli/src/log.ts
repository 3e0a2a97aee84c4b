import type { LogFields, LogLevel } from "./log-line.ts";
import type { Output } from "./streams.ts";

/** Log lines on stderr in the form the Go tools use. */
export interface Logger {
  debug(message: string, fields?: LogFields): Promise<void>;
  info(message: string, fields?: LogFields): Promise<void>;
  warn(message: string, fields?: LogFields): Promise<void>;
  error(message: string, fields?: LogFields): Promise<void>;
}

/** A logger on `stderr`; debug lines come only with `debug`. */
export function openLogger(stderr: Output, options: { readonly debug: boolean }): Logger {
  let terminal: boolean | undefined;
  const write = async (level: LogLevel, message: string, fields: LogFields = {}) => {
    if (level === "debug" && !options.debug) return;
    const { terminalLine, textLine } = await import("./log-line.ts");
    terminal ??= stderr.isTerminal();
    await stderr.write(
      terminal
        ? terminalLine(level, message, fields, Math.floor(performance.now() / 1000))
        : textLine(level, message, fields, new Date()),
    );
  };
  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warning", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}
