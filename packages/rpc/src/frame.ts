import { H2ConnectionError, h2Code } from "./h2-error.ts";

/** Frame types, RFC 9113 section 6. */
export const frameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

/** Frame flags; ACK and END_STREAM share a bit on different frame types. */
export const frameFlag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Length of every frame's header in bytes, RFC 9113 section 4.1. */
export const FRAME_HEADER_BYTES = 9;

/** Largest payload either side sends unless the other allows more, RFC 9113 section 6.5.2. */
export const DEFAULT_MAX_FRAME_BYTES = 16_384;

/** What a client sends before its first frame, RFC 9113 section 3.4. */
export const CLIENT_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Big-endian 32-bit number at `at`; bytes past the end count as 0, so callers check lengths first. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

/** Stream ids, window sizes and increments are 31 bits; the top one is reserved and ignored. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}

/** The payload of a DATA or HEADERS frame without its padding, RFC 9113 section 6.1. */
export function withoutPadding(flags: number, payload: Uint8Array): Uint8Array {
  if ((flags & frameFlag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined) throw new H2ConnectionError(h2Code.frameSizeError, "a padded frame has no pad length");
  if (padding >= payload.byteLength) {
    throw new H2ConnectionError(h2Code.protocolError, `padding of ${padding} bytes is longer than its frame`);
  }
  return payload.subarray(1, payload.byteLength - padding);
}

/** The header block fragment of a HEADERS frame: no padding, no priority fields, RFC 9113 section 6.2. */
export function headerFragment(flags: number, payload: Uint8Array): Uint8Array {
  const content = withoutPadding(flags, payload);
  if ((flags & frameFlag.priority) === 0) return content;
  if (content.byteLength < 5) throw new H2ConnectionError(h2Code.frameSizeError, "HEADERS too short for its priority");
  return content.subarray(5);
}
