import { tarFault } from "./tar-fault.ts";
import { decimal, numberField } from "./tar-field.ts";

/** A piece of data in a file with holes. */
export interface Fragment {
  readonly offset: number;
  readonly length: number;
}

/** Most pieces a file may be in (R12). */
const MAX_FRAGMENTS = 1_000_000;
const OLD_ENTRY_BYTES = 24;
const NEWLINE = 10;

/** Pairs of offset and length, checked: in order, apart, inside the file, as long together as the archive's data. */
export function fragments(numbers: readonly number[], fileSize: number, dataSize: number): readonly Fragment[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * MAX_FRAGMENTS) throw tarFault("invalid sparse map");
  const list: Fragment[] = [];
  let end = 0;
  let total = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const [offset = 0, length = 0] = [numbers[i], numbers[i + 1]];
    if (offset < end || length < 0 || offset + length > fileSize) throw tarFault("invalid sparse map");
    end = offset + length;
    total += length;
    if (length > 0) list.push({ offset, length });
  }
  if (total !== dataSize) throw tarFault("invalid sparse map");
  return list;
}

/** Old GNU: entries in the header block or in one that follows it, up to the first that is empty. */
export function oldGnuNumbers(block: Buffer, at: number, count: number): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    const entry = at + i * OLD_ENTRY_BYTES;
    if (block[entry] === 0) break;
    numbers.push(numberField(block, entry, 12), numberField(block, entry + 12, 12));
  }
  return numbers;
}

/** PAX 1.0: decimal lines in blocks at the start of the data, the first of them the number of pieces. */
export class SparseMapReader {
  readonly #maxBytes: number;
  readonly #blocks: Buffer[] = [];
  #lines = 0;
  #needed: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes taken so far. */
  get byteLength(): number {
    return this.#blocks.reduce((sum, block) => sum + block.byteLength, 0);
  }

  /** Takes a block; gives the numbers once they are all there. */
  push(block: Buffer): readonly number[] | undefined {
    this.#blocks.push(Buffer.from(block));
    if (this.#blocks.length * block.byteLength > this.#maxBytes) throw tarFault("invalid sparse map");
    for (const byte of block) if (byte === NEWLINE) this.#lines += 1;
    if (this.#lines === 0) return undefined;
    this.#needed ??= 1 + 2 * this.#count();
    if (this.#lines < this.#needed) return undefined;
    return this.#text().split("\n").slice(1, this.#needed).map(decimal);
  }

  #count(): number {
    const count = decimal(this.#text().split("\n", 1)[0] ?? "");
    if (count < 0 || count > MAX_FRAGMENTS) throw tarFault("invalid sparse map");
    return count;
  }

  #text(): string {
    return Buffer.concat(this.#blocks).toString("latin1");
  }
}
