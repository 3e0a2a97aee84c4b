import { H2ConnectionError, h2Code } from "./h2-error.ts";

/** A place in a header block. */
export interface BlockCursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** Larger integers cannot occur below any limit of ours; RFC 7541 section 5.1 asks for a bound. */
const MAX_INTEGER = 0x0fff_ffff;

/** Reads an integer with a prefix of `bits`, RFC 7541 section 5.1. */
export function decodeInteger(cursor: BlockCursor, bits: number): number {
  const mask = (1 << bits) - 1;
  let value = nextByte(cursor) & mask;
  if (value < mask) return value;
  for (let shift = 0; ; shift += 7) {
    const byte = nextByte(cursor);
    value += (byte & 0x7f) * 2 ** shift;
    if (value > MAX_INTEGER || shift > 28) throw compressionError("an integer too large");
    if ((byte & 0x80) === 0) return value;
  }
}

/** Appends an integer with a prefix of `bits`; `pattern` fills the bits above it. */
export function encodeInteger(out: number[], pattern: number, bits: number, value: number): void {
  const mask = (1 << bits) - 1;
  if (value < mask) {
    out.push(pattern | value);
    return;
  }
  out.push(pattern | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}

/** The error of every malformed header block; it ends the connection, whose tables are no longer in step. */
export function compressionError(message: string): H2ConnectionError {
  return new H2ConnectionError(h2Code.compressionError, `header block: ${message}`);
}

function nextByte(cursor: BlockCursor): number {
  const byte = cursor.bytes[cursor.at++];
  if (byte === undefined) throw compressionError("a header block that ends too soon");
  return byte;
}
