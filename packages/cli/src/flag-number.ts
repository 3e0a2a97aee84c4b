import type { FlagKind, FlagValueOf } from "./flag.ts";
import { parseGoDuration } from "./go-duration.ts";
import { parseGoFloat, parseGoInteger } from "./go-number.ts";

type NumberKind = Exclude<FlagKind, "bool" | "string" | "stringSlice">;

/** A value, or why there is none. */
export type Parsed = { readonly value: FlagValueOf[FlagKind] } | { readonly fault: string };

const INT64 = [-(2n ** 63n), 2n ** 63n - 1n] as const;
const UINT64 = [0n, 2n ** 64n - 1n] as const;
/** Counts are doubles here; no count that matters is larger. */
const INT = [BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER)] as const;

/** The text of a flag of any kind that is no text and no truth value. */
export function parseNumber(kind: NumberKind, text: string): Parsed {
  switch (kind) {
    case "float64":
      return orParseError(parseGoFloat(text));
    case "duration":
      return orParseError(parseGoDuration(text));
    case "int64":
      return integer(text, INT64);
    case "uint":
    case "uint64":
      return integer(text, UINT64);
    case "int":
      return integer(text, INT, Number);
    case "intSlice": {
      const parsed = parseGoInteger(text, ...INT);
      if (typeof parsed === "bigint") return { value: [Number(parsed)] };
      const why = parsed === "syntax" ? "invalid syntax" : "value out of range";
      return { fault: `strconv.ParseInt: parsing "${text}": ${why}` };
    }
    default:
      return kind satisfies never;
  }
}

function orParseError(value: number | bigint | undefined): Parsed {
  return value === undefined ? { fault: "parse error" } : { value };
}

function integer(
  text: string,
  [min, max]: readonly [bigint, bigint],
  convert: (value: bigint) => number | bigint = (value) => value,
): Parsed {
  const parsed = parseGoInteger(text, min, max);
  if (typeof parsed === "bigint") return { value: convert(parsed) };
  return { fault: parsed === "syntax" ? "parse error" : "value out of range" };
}
