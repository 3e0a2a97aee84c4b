import { ContainerdError } from "@ctr/api";
import { concatBytes } from "../blob.ts";

/** Reads a stream in pieces of the size that is asked for. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Up to `length` bytes without taking them; fewer only at the end. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#rest.byteLength < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#rest = this.#rest.byteLength === 0 ? next.value : concatBytes([this.#rest, next.value]);
    }
    return this.#rest.subarray(0, length);
  }

  /** Exactly `length` bytes, which should be few. Throws `data_loss` when the stream ends before. */
  async take(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length);
    if (bytes.byteLength < length) throw cutShort();
    this.#rest = this.#rest.subarray(length);
    return bytes;
  }

  /** The next chunk of at most `length` bytes. Throws `data_loss` at the end. */
  async takeSome(length: number): Promise<Uint8Array> {
    const bytes = this.#rest.byteLength > 0 ? this.#rest : await this.peek(1).then(() => this.#rest);
    if (bytes.byteLength === 0) throw cutShort();
    const part = bytes.subarray(0, length);
    this.#rest = bytes.subarray(part.byteLength);
    return part;
  }

  /** What is left, in the chunks it comes in. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    const kept = this.#rest;
    this.#rest = new Uint8Array();
    if (kept.byteLength > 0) yield kept;
    for (let next = await this.#chunks.next(); next.done !== true; next = await this.#chunks.next()) yield next.value;
  }

  /** Tells the stream that nobody reads on. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function cutShort(): ContainerdError {
  return new ContainerdError({ code: "data_loss", what: "cannot read archive", why: "unexpected EOF" });
}
