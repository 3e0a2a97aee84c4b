const SKIPPABLE = 0x184d2a50;
/** Bytes of the dictionary's id and of the content's size, by their two-bit codes. RFC 8878, section 3.1.1.1. */
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;

/**
 * Follows the frames of a zstd stream without decoding them, to know whether it ends where one does: node:zlib takes a
 * stream that was cut short for one that is over. Assumes that a decoder checks everything else. RFC 8878.
 */
export class ZstdFrames {
  /** Bytes of a header that are there. */
  #head: number[] = [];
  #need = 4;
  #skip = 0;
  #state: "magic" | "skippable" | "descriptor" | "block" = "magic";
  #checksumBytes = 0;

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.byteLength - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      this.#head.push(chunk[at++] ?? 0);
      if (this.#head.length === this.#need) this.#advance();
    }
  }

  /** Whether a frame has just ended. */
  get complete(): boolean {
    return this.#state === "magic" && this.#head.length === 0 && this.#skip === 0;
  }

  #advance(): void {
    const value = this.#head.reduceRight((sum, byte) => sum * 256 + byte, 0);
    this.#head = [];
    switch (this.#state) {
      case "magic":
        if (Math.floor(value / 16) === SKIPPABLE / 16) this.#expect("skippable", 4);
        else this.#expect("descriptor", 1);
        break;
      case "skippable":
        this.#skip = value;
        this.#expect("magic", 4);
        break;
      case "descriptor":
        this.#readDescriptor(value);
        break;
      case "block":
        this.#readBlock(value);
    }
  }

  #readDescriptor(bits: number): void {
    const isSingleSegment = (bits & 0x20) !== 0;
    const sizeCode = bits >> 6;
    const size = sizeCode === 0 && isSingleSegment ? 1 : (SIZE_BYTES[sizeCode] ?? 0);
    this.#skip = (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[bits & 3] ?? 0) + size;
    this.#checksumBytes = (bits & 4) === 0 ? 0 : 4;
    this.#expect("block", 3);
  }

  #readBlock(bits: number): void {
    const isLast = (bits & 1) === 1;
    const isRle = ((bits >> 1) & 3) === RLE_BLOCK;
    this.#skip = (isRle ? 1 : bits >> 3) + (isLast ? this.#checksumBytes : 0);
    if (isLast) this.#expect("magic", 4);
  }

  #expect(state: "magic" | "skippable" | "descriptor" | "block", need: number): void {
    this.#state = state;
    this.#need = need;
  }
}
