import { type Status, StatusError, statusNames } from "@ctr/rpc";
import { ContainerdError, classWords, type ErrorCode } from "./error.ts";

/** The status of a failed call as the error its caller sees: the daemon's words, unchanged, under the code's name. */
export function errorFromStatus(status: Status): ContainerdError {
  const code = codeFromNumber(status.code);
  return new ContainerdError({ code, what: status.message === "" ? classWords[code] : status.message });
}

/** Any thrown value as a gRPC status: total, so that a server can rely on it. `fix` stays at home. */
export function toStatus(error: unknown): Status {
  if (error instanceof ContainerdError) {
    return { code: statusNames.indexOf(error.code), message: withClassWords(error), details: [] };
  }
  if (error instanceof StatusError) return error;
  if (error instanceof Error && error.name === "AbortError")
    return { code: 1, message: classWords.cancelled, details: [] };
  const message = error instanceof Error ? error.message : String(error);
  return { code: statusNames.indexOf("internal"), message, details: [] };
}

/** Go clients print the message as it is and expect it to end with the words of its class. */
function withClassWords(error: ContainerdError): string {
  const words = classWords[error.code];
  return words === "" || error.message.endsWith(words) ? error.message : `${error.message}: ${words}`;
}

function codeFromNumber(code: number): ErrorCode {
  const name = statusNames[code];
  return name === undefined || name === "ok" ? "unknown" : name;
}
