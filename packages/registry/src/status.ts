import { ContainerdError, type ErrorCode } from "@ctr/api";
import { redactUrl } from "./http/errors.ts";
import type { HttpResponse } from "./http/message.ts";

/** Class of an HTTP status that was not hoped for. */
export function codeFromStatus(status: number): ErrorCode {
  switch (status) {
    case 400:
    case 405:
    case 406:
    case 415:
      return "invalid_argument";
    case 401:
      return "unauthenticated";
    case 403:
      return "permission_denied";
    case 404:
      return "not_found";
    case 408:
    case 504:
      return "deadline_exceeded";
    case 409:
    case 412:
      return "failed_precondition";
    case 413:
    case 429:
      return "resource_exhausted";
    case 416:
      return "out_of_range";
    case 501:
      return "unimplemented";
    default:
      return status >= 500 ? "unavailable" : "unknown";
  }
}

const fixes: ReadonlyMap<number, string> = new Map([
  [401, "log in with --user name:password"],
  [403, "check the repository's name and the account's rights"],
  [429, "the registry limits how often it is asked: wait, or log in with --user"],
]);

/** Most of an error body that is read, in bytes. */
const MAX_ERROR_BYTES = 64_000;

/** An answer of the wrong status as an error, with the registry's own words when its body has any; disposes the answer. */
export async function unexpectedStatus(response: HttpResponse, method: string): Promise<ContainerdError> {
  await using held = response;
  const said = await readErrorBody(held);
  const what =
    `unexpected status from ${method} request to ${redactUrl(held.url)}: ${held.status} ${held.reason}`.trim();
  const fix = fixes.get(held.status);
  return new ContainerdError({
    code: codeFromStatus(held.status),
    what,
    ...(said === "" ? {} : { why: said }),
    ...(fix === undefined ? {} : { fix }),
  });
}

/** `code: message` of each error in the body. Distribution spec, "Error Codes". */
async function readErrorBody(response: HttpResponse): Promise<string> {
  try {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body) {
      parts.push(chunk);
      length += chunk.byteLength;
      if (length > MAX_ERROR_BYTES) return "";
    }
    return errorWords(JSON.parse(Buffer.concat(parts).toString("utf8")));
  } catch {
    // The status says enough; a body that is no JSON adds nothing.
    return "";
  }
}

function errorWords(body: unknown): string {
  if (typeof body !== "object" || body === null || !("errors" in body) || !Array.isArray(body.errors)) return "";
  const errors: readonly unknown[] = body.errors;
  return errors
    .map(oneError)
    .filter((words) => words !== "")
    .join(", ");
}

function oneError(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const code = "code" in error && typeof error.code === "string" ? error.code.toLowerCase().replaceAll("_", " ") : "";
  const message = "message" in error && typeof error.message === "string" ? error.message : "";
  return printable(message === "" || message.toLowerCase() === code ? code : `${code}: ${message}`);
}

/** A registry's words go to a terminal: control characters, escape sequences with them, do not. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").slice(0, 500);
}
