/** Stands for the byte after the last one: it ends a varint, which is then found to lie past the end. */
const ENDED = 0;

/** Largest product of a power of 128 that a number holds beside seven more bits. */
const LAST_SCALE = 128 ** 6;

/**
 * Reads a protobuf message front to back. For lists, of which generated code decodes every field of every row: whoever
 * reads by a cursor skips what is not wanted. Throws `RangeError` where the bytes end within a field, or are none.
 */
export class WireCursor {
  at = 0;
  readonly length: number;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.length = bytes.byteLength;
  }

  /** A tag, a length or any other varint that is small; larger than 2⁵³ it loses its last bits. */
  varint(): number {
    const bytes = this.#bytes;
    let { at } = this;
    let byte = bytes[at++] ?? ENDED;
    let value = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      byte = bytes[at++] ?? ENDED;
      value += (byte & 127) * scale;
    }
    this.#moveTo(at);
    return value;
  }

  int64(): bigint {
    const bytes = this.#bytes;
    let { at } = this;
    let byte = bytes[at++] ?? ENDED;
    let value = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      if (scale > LAST_SCALE) return this.#longInt64();
      byte = bytes[at++] ?? ENDED;
      value += (byte & 127) * scale;
    }
    this.#moveTo(at);
    return BigInt(value);
  }

  text(): string {
    const end = this.end();
    const text = this.#bytes.toString("utf8", this.at, end);
    this.at = end;
    return text;
  }

  /** Part of the message itself: who keeps it copies it. */
  bytes(): Uint8Array {
    const end = this.end();
    const bytes = this.#bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  /** An entry of a map of texts, into `map`. */
  entry(map: Record<string, string>): void {
    let key = "";
    let value = "";
    for (const end = this.end(); this.at < end; ) {
      const tag = this.varint();
      if (tag === 0x0a) key = this.text();
      else if (tag === 0x12) value = this.text();
      else this.skip(tag);
    }
    map[key] = value;
  }

  /** Where the message or text that begins here ends. */
  end(): number {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.length) throw tooShort();
    return end;
  }

  /** Passes over the field whose tag was just read. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#moveTo(this.at + 8);
        return;
      case 2:
        this.at = this.end();
        return;
      case 5:
        this.#moveTo(this.at + 4);
        return;
      default:
        throw new RangeError(`field with tag ${tag}`);
    }
  }

  #moveTo(at: number): void {
    if (at > this.length) throw tooShort();
    this.at = at;
  }

  #longInt64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.at] ?? ENDED;
      this.#moveTo(this.at + 1);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw new RangeError("varint of more than ten bytes");
  }
}

function tooShort(): RangeError {
  return new RangeError("the message ends within a field");
}
