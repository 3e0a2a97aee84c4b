/** What Go's encoding/json can be asked to write here; `undefined` members are left out, as with `omitempty`. */
export type GoJson =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly GoJson[]
  | { readonly [key: string]: GoJson | undefined };

const encoder = new TextEncoder();

/** Bytes that Go's `json.Marshal` would write: no blanks, members in the order given, HTML characters escaped. */
export function encodeGoJson(value: GoJson): Uint8Array {
  return encoder.encode(goJsonText(value));
}

/** The same as text. */
export function goJsonText(value: GoJson): string {
  if (value === null) return "null";
  if (typeof value === "string") return goString(value);
  if (typeof value !== "object") return String(value);
  if (isList(value)) return `[${value.map(goJsonText).join(",")}]`;
  const members = Object.entries(value).flatMap(([key, member]) =>
    member === undefined ? [] : [`${goString(key)}:${goJsonText(member)}`],
  );
  return `{${members.join(",")}}`;
}

/** `Array.isArray` does not narrow a readonly array. */
function isList(value: GoJson): value is readonly GoJson[] {
  return Array.isArray(value);
}

/** A Go map, whose keys encoding/json sorts by their bytes; `undefined` when empty, as with `omitempty`. */
export function goMap(map: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  const keys = Object.keys(map ?? {});
  if (map === undefined || keys.length === 0) return undefined;
  return Object.fromEntries(keys.sort(compareUtf8).map((key) => [key, map[key] ?? ""]));
}

/** Orders text as Go does, by UTF-8 bytes, which differs from UTF-16 order above U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Go escapes what HTML, JavaScript and JSON mind; lone surrogates become U+FFFD. */
function goString(text: string): string {
  const safe = text.isWellFormed() ? text : text.toWellFormed();
  return JSON.stringify(safe).replace(/[<>&\u2028\u2029]|\\b|\\f|\\\\/g, (match) => {
    if (match === "\\\\") return match;
    if (match === "\\b") return "\\u0008";
    if (match === "\\f") return "\\u000c";
    return `\\u${match.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
