import { frameFlag, frameType } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { H2ConnectionError, H2StreamError, h2Code } from "./h2-error.ts";
import type { HeaderField } from "./hpack-table.ts";
import { MAX_WINDOW_BYTES } from "./settings.ts";

/** Why a stream ended before both sides were done with it. */
export type StreamFailure =
  /** The peer sent RST_STREAM. */
  | { readonly kind: "reset"; readonly code: number }
  /** The peer will not process the stream, and has not begun to (GOAWAY, REFUSED_STREAM): safe to try again elsewhere. */
  | { readonly kind: "refused"; readonly why: string }
  /** The peer broke the protocol on this stream. */
  | { readonly kind: "protocol"; readonly code: number; readonly why: string }
  /** The connection ended. */
  | { readonly kind: "connection"; readonly why: string };

/** What arrives on a stream. A callback may throw `H2StreamError` to reset it. After `failed` there are no more events. */
export interface StreamEvents {
  headers(fields: readonly HeaderField[], endStream: boolean): void;
  /** Each byte stays counted against the stream's window until `H2Stream.consumed` gives it back. */
  data(bytes: Uint8Array, endStream: boolean): void;
  failed(failure: StreamFailure): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly initialReceiveWindowBytes: number;
  /** The stream has something that it may send now. */
  ready(stream: H2Stream): void;
  /** The stream's last frame is on its way. */
  sentEnd(stream: H2Stream): void;
  windowUpdate(stream: H2Stream, increment: number): void;
  reset(stream: H2Stream, code: number): void;
  /** `delta` bytes more (or fewer) wait to be sent. */
  pendingChanged(delta: number): void;
}

/** Bytes a stream may have queued before its writer is asked to wait. */
const LOW_WATER_BYTES = 64 * 1024;

/** How a stream's sending side ends: by a flag on its last DATA frame, or by trailers. */
type SendEnd = { readonly trailers: Uint8Array | undefined };

/**
 * One stream of RFC 9113 section 5: both flow-control windows, and the bytes that wait to be sent. It has id 0 until the
 * connection may open it; bytes written before that wait.
 */
export class H2Stream {
  id = 0;
  /** Whether the connection's send queue holds it. */
  queued = false;
  sendWindow = 0;
  remoteClosed = false;
  localClosed = false;
  readonly events: StreamEvents;
  readonly #host: StreamHost;
  #receiveWindow: number;
  #unacknowledged = 0;
  #chunks: Uint8Array[] = [];
  #chunkAt = 0;
  #pending = 0;
  #end: SendEnd | undefined;
  #onDrained: (() => void) | undefined;

  constructor(host: StreamHost, eventsOf: (stream: H2Stream) => StreamEvents) {
    this.#host = host;
    this.events = eventsOf(this);
    this.#receiveWindow = host.initialReceiveWindowBytes;
  }

  get closed(): boolean {
    return this.remoteClosed && this.localClosed;
  }

  get canSend(): boolean {
    if (this.id === 0 || this.localClosed) return false;
    return this.#pending > 0 ? this.sendWindow > 0 : this.#end !== undefined;
  }

  /** Queues bytes for DATA frames; the caller must not change them. */
  write(bytes: Uint8Array): void {
    if (this.localClosed || this.#end || bytes.byteLength === 0) return;
    this.#chunks.push(bytes);
    this.#pending += bytes.byteLength;
    this.#host.pendingChanged(bytes.byteLength);
    this.#host.ready(this);
  }

  /** Undefined while the queue is short; else a promise that resolves once it is short again, or the stream is over. */
  drained(): Promise<void> | undefined {
    if (this.#pending <= LOW_WATER_BYTES) return undefined;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  /** Half-closes after what is queued; with `trailers`, an encoded header block, these come last. */
  end(trailers?: Uint8Array): void {
    if (this.localClosed || this.#end) return;
    this.#end = { trailers };
    this.#host.ready(this);
  }

  /** Cancels the stream: what is queued is dropped and the peer is told `code`. */
  reset(code: number): void {
    if (!this.closed) this.#host.reset(this, code);
  }

  /** Marks both sides closed and drops what waits to be sent. */
  abandon(): void {
    this.localClosed = true;
    this.remoteClosed = true;
    this.#host.pendingChanged(-this.#pending);
    this.#pending = 0;
    this.#chunks = [];
    this.#chunkAt = 0;
    this.#notifyDrained();
  }

  /** Writes one DATA frame, and trailers if that was the last. Returns the bytes that count against the windows. */
  sendFrame(frames: FrameWriter, maxFrameBytes: number, connectionWindow: number): number {
    const size = Math.min(this.#pending, Math.max(0, this.sendWindow), connectionWindow, maxFrameBytes);
    const last = size === this.#pending && this.#end !== undefined;
    const trailers = this.#end?.trailers;
    const endByFlag = last && trailers === undefined;
    if (size > 0 || endByFlag) {
      frames.header(frameType.data, endByFlag ? frameFlag.endStream : 0, this.id, size);
      this.#moveTo(frames, size);
    }
    if (last && trailers) frames.headers(this.id, trailers, true, maxFrameBytes);
    if (last) {
      this.localClosed = true;
      this.#host.sentEnd(this);
    }
    if (this.#pending <= LOW_WATER_BYTES) this.#notifyDrained();
    return size;
  }

  /** A WINDOW_UPDATE, or a change of SETTINGS_INITIAL_WINDOW_SIZE, which may make the window negative. */
  growSendWindow(delta: number): void {
    this.sendWindow += delta;
    if (this.sendWindow > MAX_WINDOW_BYTES) {
      throw new H2StreamError(this.id, h2Code.flowControlError, "the peer's window updates exceed 2^31-1 bytes");
    }
    this.#host.ready(this);
  }

  /** Counts received bytes, padding included, against the window. */
  receive(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      throw new H2ConnectionError(h2Code.flowControlError, `stream ${this.id} got more bytes than its window allows`);
    }
  }

  /** Gives `bytes` of window back to the peer; told in steps of half a window. */
  consumed(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.remoteClosed || this.#unacknowledged < this.#host.initialReceiveWindowBytes / 2) return;
    this.#receiveWindow += this.#unacknowledged;
    this.#host.windowUpdate(this, this.#unacknowledged);
    this.#unacknowledged = 0;
  }

  #moveTo(frames: FrameWriter, size: number): void {
    let left = size;
    while (left > 0) {
      const chunk = this.#chunks[0];
      if (!chunk) break;
      const rest = chunk.byteLength - this.#chunkAt;
      const taken = Math.min(rest, left);
      frames.raw(taken === chunk.byteLength ? chunk : chunk.subarray(this.#chunkAt, this.#chunkAt + taken));
      left -= taken;
      this.#chunkAt += taken;
      if (taken === rest) {
        this.#chunks.shift();
        this.#chunkAt = 0;
      }
    }
    this.#pending -= size;
    this.#host.pendingChanged(-size);
  }

  #notifyDrained(): void {
    const notify = this.#onDrained;
    this.#onDrained = undefined;
    notify?.();
  }
}
