import { H2ConnectionError, h2Code } from "./h2-error.ts";

/** Compressed octets of one header list; with none of the peer's tables at hand a longer one is not worth decoding. */
const MAX_BLOCK_BYTES = 256 * 1024;
/** CONTINUATION frames of one header list: a flood of empty ones costs no bytes but time (CVE-2024-27316). */
const MAX_CONTINUATIONS = 128;

/** A header block on its way in: HEADERS, then CONTINUATION frames of the same stream and nothing between, RFC 9113 section 6.10. */
export class HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly #fragments: Uint8Array[];
  #bytes: number;

  constructor(streamId: number, endStream: boolean, first: Uint8Array) {
    this.streamId = streamId;
    this.endStream = endStream;
    this.#fragments = [first];
    this.#bytes = first.byteLength;
  }

  add(fragment: Uint8Array): void {
    this.#fragments.push(fragment);
    this.#bytes += fragment.byteLength;
    if (this.#bytes > MAX_BLOCK_BYTES || this.#fragments.length > MAX_CONTINUATIONS) {
      throw new H2ConnectionError(
        h2Code.enhanceYourCalm,
        `a header block of ${this.#bytes} bytes in ${this.#fragments.length} frames`,
      );
    }
  }

  join(): Uint8Array {
    const [only] = this.#fragments;
    if (only && this.#fragments.length === 1) return only;
    const block = new Uint8Array(this.#bytes);
    let at = 0;
    for (const fragment of this.#fragments) {
      block.set(fragment, at);
      at += fragment.byteLength;
    }
    return block;
  }
}
