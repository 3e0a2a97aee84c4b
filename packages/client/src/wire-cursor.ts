/** Largest product of a power of 128 that a number holds beside seven more bits. */
const LAST_SCALE = 128 ** 6;

/**
 * Reads a protobuf message front to back. For lists, of which generated code decodes every field of every row: whoever
 * reads by a cursor skips what is not wanted. Throws `RangeError` where the bytes end within a field, or are none.
 */
export class WireCursor {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#bytes.byteLength;
  }

  /** A tag, a length or any other varint that is small; larger than 2⁵³ it loses its last bits. */
  varint(): number {
    let byte = this.#next();
    let value = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      byte = this.#next();
      value += (byte & 127) * scale;
    }
    return value;
  }

  int64(): bigint {
    const start = this.at;
    let byte = this.#next();
    let value = byte & 127;
    for (let scale = 128; byte > 127; scale *= 128) {
      if (scale > LAST_SCALE) return this.#longInt64(start);
      byte = this.#next();
      value += (byte & 127) * scale;
    }
    return BigInt(value);
  }

  text(): string {
    const end = this.end();
    const text = this.#bytes.toString("utf8", this.at, end);
    this.at = end;
    return text;
  }

  /** An entry of a map of texts, into `map`. */
  entry(map: Record<string, string>): void {
    let [key, value] = ["", ""];
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
    if (end > this.#bytes.byteLength) throw new RangeError("premature EOF");
    return end;
  }

  /** Passes over the field whose tag was just read. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#pass(8);
        return;
      case 2:
        this.at = this.end();
        return;
      case 5:
        this.#pass(4);
        return;
      default:
        throw new RangeError(`field with tag ${tag}`);
    }
  }

  #pass(bytes: number): void {
    this.at += bytes;
    if (this.at > this.#bytes.byteLength) throw new RangeError("premature EOF");
  }

  #next(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new RangeError("premature EOF");
    return byte;
  }

  #longInt64(start: number): bigint {
    this.at = start;
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#next();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw new RangeError("varint of more than ten bytes");
  }
}
