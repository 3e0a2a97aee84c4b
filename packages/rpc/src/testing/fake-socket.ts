import { FrameReader } from "../frame-reader.ts";
import type { ByteSocket, SocketEvents } from "../socket.ts";

/** One frame that a connection under test sent. */
export interface SentFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

/** A socket whose other end is the test: it reads the frames that were sent, and decides when writes drain. */
export class FakeSocket implements ByteSocket {
  readonly frames: SentFrame[] = [];
  sentBytes = 0;
  closed = false;
  /** While true, `send` keeps its buffer, as a socket does whose peer reads nothing. */
  held = false;
  events: SocketEvents | undefined;
  #prefaceLeft: number;
  #pending: Uint8Array | undefined;
  readonly #reader = new FrameReader(1 << 24, (type, flags, streamId, payload) => {
    this.frames.push({ type, flags, streamId, payload: payload.slice() });
  });

  /** `prefaceBytes` is what comes before the first frame: 24 from a client, none from a server. */
  constructor(prefaceBytes: number) {
    this.#prefaceLeft = prefaceBytes;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#pending) throw new Error("send while an earlier buffer is still held");
    if (this.held) {
      this.#pending = bytes;
      return false;
    }
    this.#take(bytes);
    return true;
  }

  /** Takes what was held back, as the kernel does once the peer reads. */
  release(): void {
    this.held = false;
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return;
    this.#take(pending);
    this.events?.drained();
  }

  close(): void {
    this.#end();
  }

  destroy(): void {
    this.#end();
  }

  /** The frames of one type, in order. */
  ofType(type: number): SentFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  #end(): void {
    if (this.closed) return;
    this.closed = true;
    this.events?.closed(undefined);
  }

  #take(bytes: Uint8Array): void {
    this.sentBytes += bytes.byteLength;
    const skipped = Math.min(this.#prefaceLeft, bytes.byteLength);
    this.#prefaceLeft -= skipped;
    // A copy: the sender may reuse its buffer, while a frame may straddle two writes.
    this.#reader.push(bytes.slice(skipped));
  }
}
