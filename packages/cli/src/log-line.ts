export type LogLevel = "debug" | "info" | "warning" | "error";

export type LogFields = Readonly<Record<string, string>>;

/** `time="…" level=warning msg="…" key=value`. */
export function textLine(level: LogLevel, message: string, fields: LogFields, at: Date): string {
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${quote(value)}`);
  return `time="${localTime(at)}" level=${level} msg=${quote(message)}${pairs.join("")}\n`;
}

const colours: Readonly<Record<LogLevel, number>> = { debug: 37, info: 36, warning: 33, error: 31 };
const words: Readonly<Record<LogLevel, string>> = { debug: "DEBU", info: "INFO", warning: "WARN", error: "ERRO" };

/** `WARN[0000] message   key=value`, level and keys in colour, the message padded to 44. */
export function terminalLine(level: LogLevel, message: string, fields: LogFields, seconds: number): string {
  const paint = (text: string) => `\u001b[${colours[level]}m${text}\u001b[0m`;
  const pairs = Object.entries(fields).map(([key, value]) => ` ${paint(key)}=${quote(value)}`);
  return `${paint(words[level])}[${seconds.toString().padStart(4, "0")}] ${message.padEnd(44)} ${pairs.join("")}\n`;
}

function quote(text: string): string {
  return text !== "" && /^[A-Za-z0-9\-._/@^+]*$/.test(text) ? text : JSON.stringify(text);
}

function localTime(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const shifted = new Date(at.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  if (minutes === 0) return `${shifted}Z`;
  const offset = Math.abs(minutes);
  const two = (value: number) => value.toString().padStart(2, "0");
  return `${shifted}${minutes < 0 ? "-" : "+"}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
}
