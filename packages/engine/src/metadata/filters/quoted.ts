/** A quoted text as it was meant, and where it ends; or why it cannot be read. */
export type Quoted = { readonly value: string; readonly end: number } | { readonly why: string };

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
};

/** Digits of a numeric escape by its letter. */
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** Reads the Go string literal that begins at `start` with its quote: `"`, or `/` and `|`, which have the same escapes. */
export function readQuoted(text: string, start: number): Quoted {
  const quote = text.charAt(start);
  const bytes: (string | number)[] = [];
  for (let at = start + 1; ; ) {
    const char = text.charAt(at);
    if (char === "" || char === "\n") return { why: "quoted literal not terminated" };
    if (char === quote) return { value: join(bytes), end: at + 1 };
    if (char !== "\\") {
      bytes.push(char);
      at++;
      continue;
    }
    const read = readEscape(text, at + 1, quote);
    if ("why" in read) return read;
    bytes.push(read.value);
    at = read.end;
  }
}

type Escape = { readonly value: string | number; readonly end: number } | { readonly why: string };

/** The escape whose letter is at `at`: a text, or a number that stands for one byte. */
function readEscape(text: string, at: number, quote: string): Escape {
  const letter = text.charAt(at);
  if (letter === quote) return { value: quote, end: at + 1 };
  const simple = SIMPLE[letter];
  if (simple !== undefined) return { value: simple, end: at + 1 };
  if (/[0-7]/.test(letter)) return readNumber(text, at, { digits: 3, base: 8, isByte: true });
  const digits = HEX_DIGITS[letter];
  if (digits === undefined) return { why: "illegal escape sequence" };
  return readNumber(text, at + 1, { digits, base: 16, isByte: letter === "x" });
}

function readNumber(
  text: string,
  at: number,
  form: { readonly digits: number; readonly base: 8 | 16; readonly isByte: boolean },
): Escape {
  const end = at + form.digits;
  const run = text.slice(at, end);
  const valid = form.base === 8 ? /^[0-7]+$/ : /^[0-9A-Fa-f]+$/;
  if (run.length < form.digits || !valid.test(run)) return { why: "illegal numeric escape sequence" };
  const number = Number.parseInt(run, form.base);
  if (number > (form.isByte ? 0xff : 0x10ffff)) return { why: "unquoting failed: quote syntax error" };
  return { value: form.isByte ? number : String.fromCodePoint(number), end };
}

/** Bytes that were escaped one by one may make up a character together. */
function join(parts: readonly (string | number)[]): string {
  if (parts.every((part) => typeof part === "string")) return parts.join("");
  return Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))),
  ).toString();
}
