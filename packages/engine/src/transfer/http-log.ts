import { encodeAny, transferRegistry } from "@ctr/api";
import type { HttpTrace } from "@ctr/registry";
import type { StreamEnd } from "./streams.ts";

/** Text that waits for the client's window, in bytes; what comes on top is left out rather than kept in memory. */
const MAX_WAITING = 4 * 1024 * 1024;

/** Writes what the HTTP client tells to a client's stream, as lines of text. Engine reference, section 18.2, http_debug. */
export function streamHttpTrace(stream: StreamEnd, level: transferRegistry.HTTPDebug): HttpTrace | undefined {
  const { HTTPDebug } = transferRegistry;
  if (level !== HTTPDebug.DEBUG && level !== HTTPDebug.TRACE && level !== HTTPDebug.BOTH) return undefined;
  let written = 0;
  const write = (lines: readonly string[]) => {
    const data = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
    written += data.byteLength;
    if (written <= MAX_WAITING) stream.send(encodeAny("containerd.types.transfer.Data", { data }));
  };
  const messages: HttpTrace = { onRequest: write, onResponse: write, onBody: write };
  const connections: HttpTrace = {
    onLookup: (host) => write([`DNS lookup host=${host}`]),
    onLookedUp: (result) => write([`DNS lookup complete result=${result}`]),
    onLookupFailed: (why) => write([`DNS lookup error: ${why}`]),
    onConnect: (address) => write([`Connection successful remote_addr=${address}`]),
  };
  return { ...(level === HTTPDebug.TRACE ? {} : messages), ...(level === HTTPDebug.DEBUG ? {} : connections) };
}
