import { encodeInteger } from "./hpack-integer.ts";
import { type HeaderField, staticTable } from "./hpack-table.ts";

/** The first index of each name of the static table; made at the first block. */
let firstIndexes: Map<string, number> | undefined;

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
  firstIndexes ??= indexNames();
  const nameIndex = firstIndexes.get(name) ?? 0;
  const whole = nameIndex === 0 ? 0 : wholeIndex(nameIndex, name, value);
  if (whole !== 0) {
    encodeInteger(out, 0x80, 7, whole);
    return;
  }
  encodeInteger(out, 0, 4, nameIndex);
  if (nameIndex === 0) encodeString(out, name);
  encodeString(out, value);
}

function encodeString(out: number[], text: string): void {
  encodeInteger(out, 0, 7, text.length);
  for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i) & 0xff);
}

/** The index of name and value together, 0 for none: the entries of one name follow each other. */
function wholeIndex(first: number, name: string, value: string): number {
  for (let index = first; ; index++) {
    const entry = staticTable[index - 1];
    if (entry?.[0] !== name) return 0;
    if (entry[1] === value && value !== "") return index;
  }
}

function indexNames(): Map<string, number> {
  const indexes = new Map<string, number>();
  for (let index = staticTable.length; index > 0; index--) indexes.set(staticTable[index - 1]?.[0] ?? "", index);
  return indexes;
}
