import { huffmanDecode } from "./hpack-huffman.ts";
import { type BlockCursor, compressionError, decodeInteger } from "./hpack-integer.ts";
import { DynamicTable, ENTRY_OVERHEAD_BYTES, type HeaderField, STATIC_ENTRIES, staticField } from "./hpack-table.ts";

/** A decoded header list, or why it was not kept: the block was read to its end so that the tables stay in step. */
export type DecodedHeaders =
  | { readonly kind: "fields"; readonly fields: readonly HeaderField[] }
  | { readonly kind: "too_large"; readonly size: number };

export interface HpackDecoderOptions {
  /** Largest dynamic table the peer may use, in octets: what we announce as SETTINGS_HEADER_TABLE_SIZE. */
  readonly maxTableBytes: number;
  /** Largest decoded list that is kept, counted as RFC 9113 section 6.5.2 counts it. */
  readonly maxListBytes: number;
}

/** RFC 7541 decoder. Every error is a COMPRESSION_ERROR and ends the connection: its tables are no longer in step. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #options: HpackDecoderOptions;
  #cursor: BlockCursor = { bytes: new Uint8Array(0), at: 0 };

  constructor(options: HpackDecoderOptions) {
    this.#options = options;
    this.#table = new DynamicTable(options.maxTableBytes);
  }

  /** Octets in the dynamic table, as RFC 7541 section 4.1 counts them. */
  get tableBytes(): number {
    return this.#table.size;
  }

  /** One whole header block: HEADERS and its CONTINUATION frames put together. */
  decode(block: Uint8Array): DecodedHeaders {
    const cursor: BlockCursor = { bytes: block, at: 0 };
    this.#cursor = cursor;
    const fields: HeaderField[] = [];
    let size = 0;
    let updatesAllowed = true;
    while (cursor.at < block.byteLength) {
      const first = block[cursor.at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        if (!updatesAllowed) throw compressionError("a table size update after the first field");
        this.#resize();
        continue;
      }
      updatesAllowed = false;
      const field = this.#field(first);
      size += field[0].length + field[1].length + ENTRY_OVERHEAD_BYTES;
      if (size <= this.#options.maxListBytes) fields.push(field);
    }
    return size > this.#options.maxListBytes ? { kind: "too_large", size } : { kind: "fields", fields };
  }

  #field(first: number): HeaderField {
    if ((first & 0x80) !== 0) return this.#lookup(decodeInteger(this.#cursor, 7));
    const indexed = (first & 0x40) !== 0;
    const nameIndex = decodeInteger(this.#cursor, indexed ? 6 : 4);
    const name = nameIndex === 0 ? this.#string() : this.#lookup(nameIndex)[0];
    const value = this.#string();
    const field: HeaderField = [name, value];
    if (indexed) this.#table.add(field, name.length + value.length);
    return field;
  }

  #resize(): void {
    const size = decodeInteger(this.#cursor, 5);
    if (size > this.#options.maxTableBytes) {
      throw compressionError(`a dynamic table of ${size} bytes, at most ${this.#options.maxTableBytes}`);
    }
    this.#table.resize(size);
  }

  #lookup(index: number): HeaderField {
    const field = index <= STATIC_ENTRIES ? staticField(index) : this.#table.get(index - STATIC_ENTRIES - 1);
    if (!field) throw compressionError(`no header field at index ${index}`);
    return field;
  }

  /** RFC 7541 section 5.2; one char per octet. */
  #string(): string {
    const cursor = this.#cursor;
    const huffman = ((cursor.bytes[cursor.at] ?? 0) & 0x80) !== 0;
    const length = decodeInteger(cursor, 7);
    const end = cursor.at + length;
    if (end > cursor.bytes.byteLength) throw compressionError("a string longer than its block");
    const text = cursor.bytes.subarray(cursor.at, end);
    cursor.at = end;
    return huffman ? huffmanDecode(text) : latin1(text);
  }
}

/** By index: iterating over some 30 bytes already sets the compiler to work, which takes a short program a millisecond. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.byteLength; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}
