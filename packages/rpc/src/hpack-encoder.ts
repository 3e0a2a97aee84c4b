import { encodeInteger } from "./hpack-integer.ts";
import { type HeaderField, staticTable } from "./hpack-table.ts";

let staticIndex: Map<string, number> | undefined;

/**
 * A header block in RFC 7541's form, from the static table and literals that are never added to the peer's dynamic
 * table: the encoder keeps no state, so blocks may be made early and sent in any order. Over a local socket the bytes
 * that a dynamic table would save cost less than keeping one. Values hold one char per octet.
 */
export function encodeHeaders(fields: Iterable<HeaderField>): Uint8Array {
  const out: number[] = [];
  for (const [name, value] of fields) encodeField(out, name, value);
  return Uint8Array.from(out);
}

function encodeField(out: number[], name: string, value: string): void {
  staticIndex ??= indexStaticTable();
  const whole = staticIndex.get(`${name}\n${value}`);
  if (whole !== undefined) {
    encodeInteger(out, 0x80, 7, whole);
    return;
  }
  const nameIndex = staticIndex.get(name) ?? 0;
  encodeInteger(out, 0, 4, nameIndex);
  if (nameIndex === 0) encodeString(out, name);
  encodeString(out, value);
}

function encodeString(out: number[], text: string): void {
  encodeInteger(out, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i) & 0xff);
}

/** Name alone and name with value, to the lowest index of each. */
function indexStaticTable(): Map<string, number> {
  const index = new Map<string, number>();
  staticTable.forEach(([name, value], at) => {
    if (!index.has(name)) index.set(name, at + 1);
    if (value !== "") index.set(`${name}\n${value}`, at + 1);
  });
  return index;
}
