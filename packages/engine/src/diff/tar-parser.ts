import { tarFault } from "./tar-fault.ts";
import { numberField, textField } from "./tar-field.ts";
import { BLOCK, parseRawHeader, type RawHeader, readHeader, type TarHeader } from "./tar-header.ts";
import { type PaxRecords, parsePax } from "./tar-pax.ts";
import { type Fragment, fragments, oldGnuNumbers, SparseMapReader } from "./tar-sparse.ts";

/** What a layer's members are handed to, in the order of the archive. */
export interface TarSink {
  begin(header: TarHeader): void;
  /** A piece of the file's data: `length` bytes of `chunk` from `at`, which belong at `offset` of the file. */
  data(chunk: Buffer, at: number, length: number, offset: number): void;
  end(): void;
}

/** Largest extended header that is read, in bytes, as Go's reader (R12). */
const MAX_EXTENSION_BYTES = 1024 * 1024;
/** Largest map of a sparse file, in bytes. */
const MAX_SPARSE_BYTES = 16 * 1024 * 1024;

/**
 * A tar reader that is given chunks as they come and works on them in place, without waiting and without copying file
 * data: a layer has tens of thousands of small files. (`readTar` of `@ctr/oci` pulls from a stream, decodes names as
 * UTF-8 and leaves out metadata, which is what image archives need, on Node too.) Reads ustar, PAX, GNU, star and v7,
 * long names, and files with holes in GNU's old form and PAX 0.0, 0.1 and 1.0. PAX global headers are ignored. Throws
 * with the words of Go's archive/tar.
 */
export class TarParser {
  readonly #sink: TarSink;
  /** What to do with the next bytes. */
  #step: Step = headerStep;
  #carry: Buffer = Buffer.alloc(0);
  #pax: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  /** Blocks of zeros in a row; two end the archive. */
  #zeros = 0;
  #ended = false;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (!this.#ended && at < chunk.byteLength) {
      at = this.#step.kind === "gather" ? this.#gather(this.#step, chunk, at) : this.#stream(this.#step, chunk, at);
    }
  }

  /** To be called when no more chunks come. Throws `unexpected EOF` when the archive is cut short. */
  finish(): void {
    const step = this.#step;
    // The padding of the last file may be missing, as Go has it.
    const atHeader =
      step.kind === "gather" ? step.use === undefined && this.#carry.byteLength === 0 : !step.pieces[step.index];
    const hasPax = this.#pax !== undefined && Object.keys(this.#pax).length > 0;
    const pending = this.#longName !== undefined || this.#longLink !== undefined || hasPax;
    if (!this.#ended && (!atHeader || pending)) throw tarFault("unexpected EOF");
  }

  /** Waits until `need` bytes are together; they are copied only when a chunk ends among them. */
  #gather(step: Gather, chunk: Buffer, at: number): number {
    if (this.#carry.byteLength === 0 && chunk.byteLength - at >= step.need) {
      this.#use(step, chunk, at);
      return at + step.need;
    }
    const taken = Math.min(step.need - this.#carry.byteLength, chunk.byteLength - at);
    this.#carry = Buffer.concat([this.#carry, chunk.subarray(at, at + taken)]);
    if (this.#carry.byteLength === step.need) {
      const bytes = this.#carry;
      this.#carry = Buffer.alloc(0);
      this.#use(step, bytes, 0);
    }
    return at + taken;
  }

  #use(step: Gather, bytes: Buffer, at: number): void {
    if (step.use === undefined) this.#header(bytes, at);
    else step.use(bytes.subarray(at, at + step.need));
  }

  #stream(step: Stream, chunk: Buffer, at: number): number {
    const piece = step.pieces[step.index];
    if (piece === undefined) return this.#pad(step, chunk, at);
    const length = Math.min(piece.length - step.done, chunk.byteLength - at);
    if (length > 0) this.#sink.data(chunk, at, length, piece.offset + step.done);
    step.done += length;
    if (step.done === piece.length) {
      step.index += 1;
      step.done = 0;
    }
    if (step.index === step.pieces.length) this.#finishFile(step);
    return at + length;
  }

  /** Past the last byte the file is done, also when the archive ends before its padding does. */
  #finishFile(step: Stream): void {
    this.#sink.end();
    if (step.padding === 0) this.#awaitHeader();
  }

  #pad(step: Stream, chunk: Buffer, at: number): number {
    const length = Math.min(step.padding, chunk.byteLength - at);
    step.padding -= length;
    if (step.padding === 0) this.#awaitHeader();
    return at + length;
  }

  #awaitHeader(): void {
    this.#step = headerStep;
  }

  #header(block: Buffer, at: number): void {
    if (isZero(block, at)) {
      this.#ended = ++this.#zeros === 2;
      return;
    }
    if (this.#zeros > 0) throw tarFault("invalid tar header");
    const raw = parseRawHeader(block, at);
    if ("xgLK".includes(raw.typeFlag)) this.#extension(raw);
    else this.#member(raw);
  }

  #extension(raw: RawHeader): void {
    if (raw.size > MAX_EXTENSION_BYTES) throw tarFault("header field too long");
    const padded = Math.ceil(raw.size / BLOCK) * BLOCK;
    const take = (bytes: Buffer) => {
      const content = bytes.subarray(0, raw.size);
      if (raw.typeFlag === "x") this.#pax = parsePax(content);
      else if (raw.typeFlag === "L") this.#longName = textField(content, 0, content.byteLength);
      else if (raw.typeFlag === "K") this.#longLink = textField(content, 0, content.byteLength);
      this.#awaitHeader();
    };
    if (padded === 0) take(Buffer.alloc(0));
    else this.#step = { kind: "gather", need: padded, use: take };
  }

  #member(raw: RawHeader): void {
    // Most members have none.
    const pax = this.#pax ?? {};
    if (this.#longName !== undefined) pax.name = this.#longName;
    if (this.#longLink !== undefined) pax.linkName = this.#longLink;
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    const header = readHeader(raw, pax);
    if (header.size < 0) throw tarFault("invalid tar header");
    if (header.type !== "file") this.#start(header, [], 0);
    else if (raw.typeFlag === "S") this.#oldSparse(raw, header);
    else if (pax.sparse === undefined) this.#start(header, whole(header.size), header.size);
    else this.#paxSparse(header, pax.sparse);
  }

  /** Begins a member whose data, `dataSize` bytes in the archive, belongs at `pieces`. */
  #start(header: TarHeader, pieces: readonly Fragment[], dataSize: number): void {
    this.#sink.begin(header);
    const padding = (BLOCK - (dataSize % BLOCK)) % BLOCK;
    const step: Stream = { kind: "stream", pieces, index: 0, done: 0, padding };
    this.#step = step;
    if (pieces.length === 0) this.#finishFile(step);
  }

  /** Four entries, then blocks of 21 as long as each says that one follows. GNU tar manual, "Sparse Formats". */
  #oldSparse(raw: RawHeader, header: TarHeader): void {
    const numbers = oldGnuNumbers(raw.block, raw.at + 386, 4);
    const realSize = numberField(raw.block, raw.at + 483, 12);
    const dataSize = header.size;
    const start = () => this.#start({ ...header, size: realSize }, fragments(numbers, realSize, dataSize), dataSize);
    const more = (block: Buffer) => {
      numbers.push(...oldGnuNumbers(block, 0, 21));
      if (numbers.length * 8 > MAX_SPARSE_BYTES) throw tarFault("sparse map too long");
      if (block[504] === 0) start();
    };
    if (raw.block[raw.at + 482] === 0) start();
    else this.#step = { kind: "gather", need: BLOCK, use: more };
  }

  #paxSparse(header: TarHeader, sparse: NonNullable<PaxRecords["sparse"]>): void {
    const size = sparse.size ?? header.size;
    if (sparse.major === "1" && sparse.minor === "0") this.#mapBeforeData({ ...header, size }, header.size);
    else if (sparse.map === undefined) this.#start(header, whole(header.size), header.size);
    else this.#start({ ...header, size }, fragments(sparse.map, size, header.size), header.size);
  }

  #mapBeforeData(header: TarHeader, dataSize: number): void {
    const map = new SparseMapReader(Math.min(dataSize, MAX_SPARSE_BYTES));
    const more = (block: Buffer) => {
      const numbers = map.push(block);
      if (numbers === undefined) return;
      const left = dataSize - map.byteLength;
      this.#start(header, fragments(numbers, header.size, left), left);
    };
    this.#step = { kind: "gather", need: BLOCK, use: more };
  }
}

interface Gather {
  readonly kind: "gather";
  readonly need: number;
  /** Left out for a header, which is read where it stands. */
  readonly use?: (bytes: Buffer) => void;
}

const headerStep: Gather = { kind: "gather", need: BLOCK };

interface Stream {
  readonly kind: "stream";
  readonly pieces: readonly Fragment[];
  index: number;
  /** Bytes of the piece that are through. */
  done: number;
  padding: number;
}

type Step = Gather | Stream;

function whole(size: number): readonly Fragment[] {
  return size === 0 ? [] : [{ offset: 0, length: size }];
}

function isZero(block: Buffer, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}
