/** Why Go's strconv would refuse a number. */
export type NumberFault = "syntax" | "range";

/** A whole number in Go's base-0 notation (`0x`, `0b`, `0o`, a leading `0`, `_` between digits) within `[min, max]`. */
export function parseGoInteger(text: string, min: bigint, max: bigint): bigint | NumberFault {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  if (sign !== "" && min === 0n) return "syntax";
  const magnitude = parseMagnitude(text.slice(sign.length));
  if (magnitude === undefined) return "syntax";
  const value = sign === "-" ? -magnitude : magnitude;
  return value < min || value > max ? "range" : value;
}

function parseMagnitude(text: string): bigint | undefined {
  const digits = text.replace(/(?<=[0-9a-fA-FxXbBoO])_(?=[0-9a-fA-F])/g, "").toLowerCase();
  if (/^(0x[0-9a-f]+|0b[01]+|0o[0-7]+|0|[1-9][0-9]*)$/.test(digits)) return BigInt(digits);
  return /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : undefined;
}

/** A decimal or hexadecimal floating-point number as Go reads it; undefined where Go finds a fault. */
export function parseGoFloat(text: string): number | undefined {
  if (/^[+-]?(inf|infinity)$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}
