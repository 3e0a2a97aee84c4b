import { FRAME_HEADER_BYTES, frameFlag, frameType } from "./frame.ts";

const NOTHING = new Uint8Array(0);

/** Frames in the order they will leave, in one growing buffer, so that a turn's frames go out in one write. */
export class FrameWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(initialBytes: number) {
    this.#bytes = new Uint8Array(initialBytes);
  }

  /** Bytes written since the last `clear`. */
  get length(): number {
    return this.#length;
  }

  /** What was written; aliases the buffer, so use it before the next `clear`. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.byteLength);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Text of one octet per char. */
  ascii(text: string): void {
    this.reserve(text.length);
    for (let at = 0; at < text.length; at++) this.#bytes[this.#length++] = text.charCodeAt(at);
  }

  /** A frame header for `size` payload bytes, which the caller writes next. */
  header(type: number, flags: number, streamId: number, size: number): void {
    this.reserve(FRAME_HEADER_BYTES + size);
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = size >>> 16;
    bytes[at + 1] = size >>> 8;
    bytes[at + 2] = size;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    this.#length = at + 5;
    this.uint32(streamId);
  }

  uint32(value: number): void {
    this.reserve(4);
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.#length = at + 4;
  }

  /** One header block as HEADERS and as many CONTINUATION frames as `maxFrameBytes` asks for. */
  headers(streamId: number, block: Uint8Array, endStream: boolean, maxFrameBytes: number): void {
    const first = Math.min(block.byteLength, maxFrameBytes);
    const flags = (endStream ? frameFlag.endStream : 0) | (first === block.byteLength ? frameFlag.endHeaders : 0);
    this.header(frameType.headers, flags, streamId, first);
    this.raw(block.subarray(0, first));
    for (let at = first; at < block.byteLength; at += maxFrameBytes) {
      const part = block.subarray(at, at + maxFrameBytes);
      const last = at + part.byteLength === block.byteLength;
      this.header(frameType.continuation, last ? frameFlag.endHeaders : 0, streamId, part.byteLength);
      this.raw(part);
    }
  }

  rstStream(streamId: number, code: number): void {
    this.header(frameType.rstStream, 0, streamId, 4);
    this.uint32(code);
  }

  settings(entries: ReadonlyArray<readonly [id: number, value: number]>): void {
    this.header(frameType.settings, 0, 0, entries.length * 6);
    for (const [id, value] of entries) {
      this.#bytes[this.#length] = id >>> 8;
      this.#bytes[this.#length + 1] = id;
      this.#length += 2;
      this.uint32(value);
    }
  }

  settingsAck(): void {
    this.header(frameType.settings, frameFlag.ack, 0, 0);
  }

  ping(payload: Uint8Array, ack: boolean): void {
    this.header(frameType.ping, ack ? frameFlag.ack : 0, 0, payload.byteLength);
    this.raw(payload);
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const text = debug === "" ? NOTHING : new TextEncoder().encode(debug);
    this.header(frameType.goaway, 0, 0, 8 + text.byteLength);
    this.uint32(lastStreamId);
    this.uint32(code);
    this.raw(text);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.header(frameType.windowUpdate, 0, streamId, 4);
    this.uint32(increment);
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.byteLength) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2));
    larger.set(this.written);
    this.#bytes = larger;
  }
}
