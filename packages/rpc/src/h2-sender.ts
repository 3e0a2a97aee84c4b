import { DEFAULT_MAX_FRAME_BYTES } from "./frame.ts";
import { FrameWriter } from "./frame-writer.ts";
import { H2ConnectionError, h2Code } from "./h2-error.ts";
import type { H2Stream } from "./h2-stream.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./settings.ts";
import type { ByteSocket } from "./socket.ts";

/** DATA is put into the buffer up to this size; about what a unix socket takes at once. */
const BATCH_BYTES = 256 * 1024;
const FIRST_BUFFER_BYTES = 4096;
/** Answers (PING, SETTINGS) queued for a peer that does not read; only a flood gets here. */
const MAX_CONTROL_BYTES = 1024 * 1024;

/**
 * The sending half of a connection: frames of one turn go out in one write, DATA of the streams takes turns frame by
 * frame, and nothing is moved out of a stream before the socket has room for it.
 */
export class H2Sender {
  maxFrameBytes = DEFAULT_MAX_FRAME_BYTES;
  /** Bytes that streams hold back, for want of window or of room in the socket. */
  pendingBytes = 0;
  /** Counts DATA frames and drains of the socket, not control frames: a ping of ours is no progress. */
  progress = 0;
  readonly #socket: ByteSocket;
  readonly #afterFlush: () => void;
  #filling = new FrameWriter(FIRST_BUFFER_BYTES);
  #spare = new FrameWriter(FIRST_BUFFER_BYTES);
  #ready: H2Stream[] = [];
  #window = DEFAULT_WINDOW_BYTES;
  #busy = false;
  #scheduled = false;
  #stopped = false;

  constructor(socket: ByteSocket, afterFlush: () => void) {
    this.#socket = socket;
    this.#afterFlush = afterFlush;
  }

  /** Where control frames are written; asking for it schedules a flush. */
  get frames(): FrameWriter {
    this.#schedule();
    if (this.#busy && this.#filling.length > BATCH_BYTES + MAX_CONTROL_BYTES) {
      throw new H2ConnectionError(h2Code.enhanceYourCalm, "too many frames to answer while the peer does not read");
    }
    return this.#filling;
  }

  /** True while something waits that the peer, not we, must make room for. */
  get blocked(): boolean {
    return this.#busy || this.pendingBytes > 0;
  }

  /** True while the socket holds bytes that the kernel has not taken. */
  get busy(): boolean {
    return this.#busy;
  }

  /** True when every frame written has gone to the kernel. */
  get idle(): boolean {
    return !this.#busy && this.#filling.length === 0;
  }

  ready(stream: H2Stream): void {
    if (stream.queued || !stream.canSend) return;
    stream.queued = true;
    this.#ready.push(stream);
    this.#schedule();
  }

  growWindow(increment: number): void {
    this.#window += increment;
    if (this.#window > MAX_WINDOW_BYTES) {
      throw new H2ConnectionError(h2Code.flowControlError, "the peer's window updates exceed 2^31-1 bytes");
    }
    this.#schedule();
  }

  /** The socket took all of the last write. */
  drained(): void {
    this.#busy = false;
    this.progress++;
    this.flush();
  }

  /** Sends what may be sent now. */
  flush(): void {
    this.#scheduled = false;
    while (!this.#busy && !this.#stopped) {
      this.#fill();
      const full = this.#filling;
      if (full.length === 0) break;
      this.#busy = !this.#socket.send(full.written);
      if (!this.#busy) {
        full.clear();
        continue;
      }
      // The socket holds on to this buffer until it has drained: fill the other one meanwhile.
      this.#filling = this.#spare;
      this.#spare = full;
      this.#filling.clear();
    }
    this.#afterFlush();
  }

  /** Sends nothing from now on. */
  stop(): void {
    this.#stopped = true;
    this.#ready = [];
  }

  #fill(): void {
    const frames = this.#filling;
    const starved: H2Stream[] = [];
    while (frames.length < BATCH_BYTES) {
      const stream = this.#ready.shift();
      if (!stream) break;
      const sent = stream.canSend ? stream.sendFrame(frames, this.maxFrameBytes, this.#window) : 0;
      stream.sendWindow -= sent;
      this.#window -= sent;
      if (sent > 0) this.progress++;
      if (!stream.canSend) stream.queued = false;
      else if (sent > 0) this.#ready.push(stream);
      // The connection's window is used up; a stream that has only its end left to send needs none and goes on.
      else starved.push(stream);
    }
    if (starved.length > 0) this.#ready = starved.concat(this.#ready);
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  }
}
