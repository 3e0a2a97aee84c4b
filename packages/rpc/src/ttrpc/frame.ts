/** Length, stream id, type and flags: what stands before every payload, big endian. */
export const TTRPC_HEADER_BYTES = 10;
/** Largest payload either way, in bytes; the protocol's own limit. */
export const MAX_TTRPC_BYTES = 4 * 1024 * 1024;

export const ttrpcType = { request: 1, response: 2, data: 3 } as const;
/** `remoteClosed`: nothing more comes; `remoteOpen`: data will follow; `noData`: the payload is no message. */
export const ttrpcFlag = { remoteClosed: 1, remoteOpen: 2, noData: 4 } as const;

export interface TtrpcFrame {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Header and payload as one buffer. The caller has checked the size. */
export function encodeTtrpcFrame({ streamId, type, flags, payload }: TtrpcFrame): Uint8Array {
  const bytes = new Uint8Array(TTRPC_HEADER_BYTES + payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.byteLength);
  view.setUint32(4, streamId);
  view.setUint8(8, type);
  view.setUint8(9, flags);
  bytes.set(payload, TTRPC_HEADER_BYTES);
  return bytes;
}

/** What a reader tells of. A payload belongs to the receiver. */
export interface TtrpcFrameEvents {
  frame(frame: TtrpcFrame): void;
  /** A payload above the limit was announced; its bytes are skipped as they come. */
  oversize(streamId: number, length: number): void;
}

/** Bytes in, frames out, however the bytes are cut. It never holds more than one payload. */
export class TtrpcFrameReader {
  readonly #events: TtrpcFrameEvents;
  readonly #header = new Uint8Array(TTRPC_HEADER_BYTES);
  #headerFilled = 0;
  #parts: Uint8Array[] = [];
  #missing = 0;
  #skipping = false;

  constructor(events: TtrpcFrameEvents) {
    this.#events = events;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength) {
      at +=
        this.#headerFilled < TTRPC_HEADER_BYTES ? this.#takeHeader(chunk.subarray(at)) : this.#takePayload(chunk, at);
    }
  }

  #takeHeader(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, TTRPC_HEADER_BYTES - this.#headerFilled);
    this.#header.set(taken, this.#headerFilled);
    this.#headerFilled += taken.byteLength;
    if (this.#headerFilled === TTRPC_HEADER_BYTES) this.#begin();
    return taken.byteLength;
  }

  #begin(): void {
    const view = new DataView(this.#header.buffer);
    this.#missing = view.getUint32(0);
    this.#skipping = this.#missing > MAX_TTRPC_BYTES;
    if (this.#skipping) this.#events.oversize(view.getUint32(4), this.#missing);
    else if (this.#missing === 0) this.#finish();
  }

  #takePayload(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + this.#missing);
    this.#missing -= part.byteLength;
    if (!this.#skipping) this.#parts.push(part);
    if (this.#missing === 0) this.#finish();
    return part.byteLength;
  }

  #finish(): void {
    const view = new DataView(this.#header.buffer);
    const [streamId, type, flags] = [view.getUint32(4), view.getUint8(8), view.getUint8(9)];
    const payload = joined(this.#parts);
    this.#parts = [];
    this.#headerFilled = 0;
    if (!this.#skipping) this.#events.frame({ streamId, type, flags, payload });
    this.#skipping = false;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
