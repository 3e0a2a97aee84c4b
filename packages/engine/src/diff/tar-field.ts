import type { FileTime } from "@ctr/sys";
import { tarFault } from "./tar-fault.ts";

const SPACE = 32;
const ZERO = 48;
const SEVEN = 55;

/** A field's text up to its first NUL, as a byte string. */
export function textField(bytes: Buffer, at: number, length: number): string {
  const nul = bytes.indexOf(0, at);
  const end = nul < 0 || nul > at + length ? at + length : nul;
  return end === at ? "" : bytes.toString("latin1", at, end);
}

/** Octal digits with blanks and NULs around them, or base 256 when the first bit is set (GNU). */
export function numberField(bytes: Buffer, at: number, length: number): number {
  if (((bytes[at] ?? 0) & 0x80) !== 0) return binaryField(bytes, at, length);
  let start = at;
  let end = at + length;
  while (start < end && isBlank(bytes[start])) start++;
  while (end > start && isBlank(bytes[end - 1])) end--;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] ?? 0;
    // Blanks inside: text after a NUL is not looked at.
    if (digit === 0) break;
    if (digit < ZERO || digit > SEVEN) throw tarFault("invalid tar header");
    value = value * 8 + (digit - ZERO);
  }
  return safe(value);
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0;
}

/** Two's complement over the bits after the first. */
function binaryField(bytes: Buffer, at: number, length: number): number {
  const negative = ((bytes[at] ?? 0) & 0x40) !== 0;
  let value = BigInt((bytes[at] ?? 0) & 0x3f) - (negative ? 0x40n : 0n);
  for (let i = 1; i < length; i++) value = value * 256n + BigInt(bytes[at + i] ?? 0);
  return safe(Number(value));
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw tarFault("invalid tar header");
  return value;
}

/** A PAX record's decimal number. */
export function decimal(text: string): number {
  if (!/^[+-]?\d{1,16}$/.test(text)) throw tarFault("invalid tar header");
  return safe(Number(text));
}

/** Seconds with an optional fraction, of which nine digits count. POSIX pax, "mtime". */
export function paxTime(text: string): FileTime {
  const match = /^(-?\d{1,19})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw tarFault("invalid tar header");
  // Past what a double holds exactly is past what a file's time can be: it becomes the epoch when it is used.
  return { seconds: Number(match[1]), nanos: Number((match[2] ?? "").slice(0, 9).padEnd(9, "0")) };
}
