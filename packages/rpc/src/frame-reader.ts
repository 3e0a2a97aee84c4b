import { FRAME_HEADER_BYTES, readUint31 } from "./frame.ts";
import { H2ConnectionError, h2Code } from "./h2-error.ts";

/** Receives one whole frame. `payload` may alias the chunk it came in and is never written to again. */
export type OnFrame = (type: number, flags: number, streamId: number, payload: Uint8Array) => void;

/**
 * Cuts a byte stream into frames, however it is chunked. Frames that lie whole in one chunk are not copied; one that
 * straddles chunks is copied once. Holds at most one frame. Throws `H2ConnectionError` on a frame above `maxFrameBytes`.
 */
export class FrameReader {
  readonly #maxFrameBytes: number;
  readonly #onFrame: OnFrame;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerLength = 0;
  #payload: Uint8Array | undefined;
  #payloadLength = 0;

  constructor(maxFrameBytes: number, onFrame: OnFrame) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#onFrame = onFrame;
  }

  push(chunk: Uint8Array): void {
    let at = this.#headerLength > 0 ? this.#gather(chunk) : 0;
    while (chunk.byteLength - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + this.#payloadSize(chunk, at);
      if (end > chunk.byteLength) break;
      this.#deliver(chunk, at, chunk.subarray(at + FRAME_HEADER_BYTES, end));
      at = end;
    }
    if (at < chunk.byteLength) this.#gather(chunk.subarray(at));
  }

  /** Takes from `chunk` what the frame under way still lacks, and delivers it once whole; returns the bytes taken. */
  #gather(chunk: Uint8Array): number {
    let at = 0;
    while (this.#headerLength < FRAME_HEADER_BYTES && at < chunk.byteLength) {
      this.#header[this.#headerLength++] = chunk[at++] ?? 0;
    }
    if (this.#headerLength < FRAME_HEADER_BYTES) return at;
    const payload = this.#payload ?? new Uint8Array(this.#payloadSize(this.#header, 0));
    const taken = Math.min(payload.byteLength - this.#payloadLength, chunk.byteLength - at);
    payload.set(chunk.subarray(at, at + taken), this.#payloadLength);
    this.#payloadLength += taken;
    const whole = this.#payloadLength === payload.byteLength;
    this.#payload = whole ? undefined : payload;
    if (whole) {
      this.#payloadLength = 0;
      this.#headerLength = 0;
      this.#deliver(this.#header, 0, payload);
    }
    return at + taken;
  }

  #payloadSize(bytes: Uint8Array, at: number): number {
    const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (length > this.#maxFrameBytes) {
      throw new H2ConnectionError(h2Code.frameSizeError, `a frame of ${length} bytes, at most ${this.#maxFrameBytes}`);
    }
    return length;
  }

  #deliver(header: Uint8Array, at: number, payload: Uint8Array): void {
    this.#onFrame(header[at + 3] ?? 0, header[at + 4] ?? 0, readUint31(header, at + 5), payload);
  }
}
