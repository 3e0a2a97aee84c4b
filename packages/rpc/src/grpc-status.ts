import { Status as StatusMessage } from "./gen/google/rpc/status.ts";
import { h2Code, h2CodeName } from "./h2-error.ts";
import type { StreamFailure } from "./h2-stream.ts";
import type { HeaderField } from "./hpack-table.ts";
import type { MessageError } from "./message-queue.ts";
import { bytesFromBase64, bytesToBase64 } from "./metadata.ts";
import { type Status, type StatusName, statusNames } from "./status.ts";

/** A status without details. */
export function statusOf(name: StatusName, message: string): Status {
  return { code: statusNames.indexOf(name), message, details: [] };
}

/** How a cancelled call ended, by the signal's reason: the words are Go's, which users of containerd know. */
export function statusOfAbort(reason: unknown): Status {
  const timedOut = reason instanceof Error && reason.name === "TimeoutError";
  return timedOut
    ? statusOf("deadline_exceeded", "context deadline exceeded")
    : statusOf("cancelled", "context canceled");
}

/** Trailer fields of a status; details travel as google.rpc.Status. */
export function statusToFields(status: Status): HeaderField[] {
  const fields: HeaderField[] = [["grpc-status", String(status.code)]];
  if (status.message !== "") fields.push(["grpc-message", percentEncode(status.message)]);
  if (status.details.length > 0) {
    const { code, message, details } = status;
    const bytes = StatusMessage.encode({ code, message, details: [...details] }).finish();
    fields.push(["grpc-status-details-bin", bytesToBase64(bytes)]);
  }
  return fields;
}

/** The status in trailers; undefined where there is no valid `grpc-status`. */
export function statusFromFields(fields: readonly HeaderField[]): Status | undefined {
  const code = fieldValue(fields, "grpc-status");
  // Most calls end in 0 without a message: these compile no pattern.
  if (code === undefined || (code !== "0" && !/^\d{1,3}$/.test(code))) return undefined;
  const text = fieldValue(fields, "grpc-message");
  const message = text === undefined || text === "" ? "" : percentDecode(text);
  const details = fieldValue(fields, "grpc-status-details-bin");
  return { code: Number(code), message, details: details === undefined ? [] : decodeDetails(details) };
}

function decodeDetails(text: string): Status["details"] {
  try {
    return StatusMessage.decode(bytesFromBase64(text)).details;
  } catch {
    // Details only refine the status; malformed ones must not hide it.
    return [];
  }
}

/** What an HTTP status means where there is no gRPC one: gRPC's own table. */
export function statusFromHttp(httpStatus: string): Status {
  const message = `the peer answered with HTTP status ${httpStatus} and no grpc-status`;
  return statusOf(httpCodes[httpStatus] ?? "unknown", message);
}

const httpCodes: Readonly<Record<string, StatusName>> = {
  "400": "internal",
  "401": "unauthenticated",
  "403": "permission_denied",
  "404": "unimplemented",
  "429": "unavailable",
  "502": "unavailable",
  "503": "unavailable",
  "504": "unavailable",
};

/** The status of a call whose stream failed. */
export function statusOfFailure(failure: StreamFailure): Status {
  switch (failure.kind) {
    case "connection":
    case "refused":
      return statusOf("unavailable", failure.why);
    case "protocol":
      return statusOf(failure.code === h2Code.enhanceYourCalm ? "resource_exhausted" : "internal", failure.why);
    case "reset":
      return statusOf(resetCodes[failure.code] ?? "internal", `the peer reset the stream: ${h2CodeName(failure.code)}`);
  }
}

const resetCodes: Readonly<Record<number, StatusName>> = {
  [h2Code.refusedStream]: "unavailable",
  [h2Code.cancel]: "cancelled",
  [h2Code.enhanceYourCalm]: "resource_exhausted",
  [h2Code.inadequateSecurity]: "permission_denied",
};

/** The status of a message that was not taken. */
export function statusOfMessageError(error: MessageError): Status {
  const names = { compressed: "unimplemented", too_large: "resource_exhausted", truncated: "internal" } as const;
  return statusOf(names[error.reason], error.message);
}

/** The first value of a field. */
export function fieldValue(fields: readonly HeaderField[], name: string): string | undefined {
  for (const field of fields) if (field[0] === name) return field[1];
  return undefined;
}

/** UTF-8, with everything but printable ASCII, and `%`, as %XX: how `grpc-message` is sent. */
export function percentEncode(text: string): string {
  let out = "";
  for (const byte of new TextEncoder().encode(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

/** The reverse; a `%` without two hex digits stays as it is, and raw octets count as UTF-8. */
export function percentDecode(text: string): string {
  if (!/[^\x20-\x24\x26-\x7e]/.test(text)) return text;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const hex = text.slice(at + 1, at + 3);
    if (text[at] === "%" && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else bytes.push(text.charCodeAt(at) & 0xff);
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
