import { CLIENT_PREFACE, DEFAULT_MAX_FRAME_BYTES } from "./frame.ts";
import { FrameDispatcher, MAX_HEADER_LIST_BYTES, protocolError } from "./frame-dispatch.ts";
import { FrameReader } from "./frame-reader.ts";
import { H2ConnectionError, H2StreamError, h2Code, h2CodeName } from "./h2-error.ts";
import { H2Sender } from "./h2-sender.ts";
import { H2Stream, type StreamEvents, type StreamFailure, type StreamHost } from "./h2-stream.ts";
import type { DecodedHeaders } from "./hpack-decoder.ts";
import { applySettings, DEFAULT_WINDOW_BYTES, defaultPeerSettings, type PeerSettings, settingId } from "./settings.ts";
import type { ByteSocket, SocketEvents } from "./socket.ts";
import { StallWatchdog } from "./stall-watchdog.ts";

/** Bytes of one stream that the peer may send before we have consumed any. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
/** The same over all streams; given back on receipt, so that a stream nobody reads cannot block the others. */
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
/** Streams one client may have open on a server at once. */
const MAX_CONCURRENT_STREAMS = 1000;

export interface H2ConnectionOptions {
  readonly role: "client" | "server";
  /** What messages call the other side. */
  readonly peer: string;
  /** Time without any progress, while bytes wait to be sent, after which the peer is asked for a sign of life. */
  readonly watchdogMs: number;
  /** Server: a request has begun; its `headers` event follows. */
  readonly accept?: (stream: H2Stream) => StreamEvents;
  /** Called once, when no stream can be opened any more. */
  readonly onClosing?: () => void;
  /** Called once, when the socket is gone. */
  readonly onClosed?: () => void;
}

/** One HTTP/2 connection of RFC 9113, either side. It owns its socket; nothing it does throws to the socket. */
export class H2Connection implements SocketEvents, StreamHost {
  readonly initialReceiveWindowBytes = STREAM_WINDOW_BYTES;
  readonly #options: H2ConnectionOptions;
  readonly #socket: ByteSocket;
  readonly #sender: H2Sender;
  readonly #reader = new FrameReader(DEFAULT_MAX_FRAME_BYTES, (type, flags, id, payload) =>
    this.#onFrame(type, flags, id, payload),
  );
  readonly #dispatcher: FrameDispatcher;
  /** Made when the peer first keeps us waiting, which a short call never sees. */
  #watchdog: StallWatchdog | undefined;
  readonly #streams = new Map<number, H2Stream>();
  /** Client: streams that the peer's concurrency limit holds back, with their encoded request headers. */
  readonly #waiting = new Map<H2Stream, Uint8Array>();
  #peer: PeerSettings = defaultPeerSettings();
  #prefaceLeft: number;
  #nextId = 1;
  #lastPeerId = 0;
  #receiveWindow = CONNECTION_WINDOW_BYTES;
  #unacknowledged = 0;
  /** Why no new stream may be opened. */
  #closing: string | undefined;
  #dying = false;
  #closed = false;
  #heard = false;

  constructor(socket: ByteSocket, options: H2ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#prefaceLeft = options.role === "server" ? CLIENT_PREFACE.length : 0;
    this.#sender = new H2Sender(socket, () => this.#afterFlush());
    this.#dispatcher = new FrameDispatcher(options.peer, {
      data: (id, content, size, endStream) => this.#onData(id, content, size, endStream),
      headers: (id, decoded, endStream) => this.#onHeaders(id, decoded, endStream),
      reset: (id, code) => this.#onReset(id, code),
      settings: (payload) => this.#onSettings(payload),
      ping: (payload) => this.#sender.frames.ping(payload, true),
      goaway: (last, code, text) => this.#onGoaway(last, code, text),
      windowUpdate: (id, increment) => this.#onWindowUpdate(id, increment),
    });
    this.#sendPreface();
  }

  /** Why a new stream would fail at once; undefined while streams may be opened. */
  get closing(): string | undefined {
    return this.#closing;
  }

  /** Whether the peer has ever said anything. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Streams in progress, those waiting for the peer's limit included. */
  get activeStreams(): number {
    return this.#streams.size + this.#waiting.size;
  }

  /** Client: opens a stream, or queues it behind the peer's concurrency limit. `headers` is an encoded block. */
  openStream(headers: Uint8Array, events: StreamEvents): H2Stream {
    const stream = new H2Stream(this, () => events);
    if (this.#closing !== undefined) throw new Error(this.#closing);
    if (this.#streams.size >= this.#peer.maxConcurrentStreams) this.#waiting.set(stream, headers);
    else this.#start(stream, headers);
    return stream;
  }

  /** Server: sends response headers, or trailers alone with `endStream`. */
  sendHeaders(stream: H2Stream, block: Uint8Array, endStream: boolean): void {
    if (stream.localClosed || this.#closed) return;
    this.#frames((frames) => frames.headers(stream.id, block, endStream, this.#sender.maxFrameBytes));
    if (!endStream) return;
    stream.localClosed = true;
    this.sentEnd(stream);
  }

  /** Says GOAWAY: what has begun may finish, then the connection closes. */
  drain(): void {
    if (this.#closed) return;
    this.#stopOpening(`the connection to ${this.#options.peer} is closing`);
    this.#frames((frames) => frames.goaway(this.#lastPeerId, h2Code.noError, ""));
    this.#closeIfIdle();
  }

  /** Ends the connection and with it every stream. Harmless when already closed. */
  close(why: string): void {
    this.#die(h2Code.noError, why);
  }

  /** The same without a word to the peer, which may not be reading. */
  destroy(why: string): void {
    this.#finish(why);
    this.#socket.destroy();
  }

  data(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#heard = true;
    this.#watchdog?.heard();
    try {
      const rest = this.#prefaceLeft > 0 ? this.#checkPreface(chunk) : chunk;
      if (rest.byteLength > 0) this.#reader.push(rest);
    } catch (error) {
      this.#onBroken(error);
    }
  }

  drained(): void {
    this.#sender.drained();
  }

  closed(error: Error | undefined): void {
    const why = error ? `: ${error.message}` : "";
    this.#finish(`the connection to ${this.#options.peer} was lost${why}`);
    this.#options.onClosed?.();
  }

  ready(stream: H2Stream): void {
    if (!this.#closed) this.#sender.ready(stream);
  }

  sentEnd(stream: H2Stream): void {
    if (!stream.remoteClosed) {
      if (this.#options.role === "client") return;
      // The answer is complete, so the rest of the request is not wanted: RFC 9113 section 8.1.
      this.#frames((frames) => frames.rstStream(stream.id, h2Code.noError));
      stream.abandon();
    }
    this.#remove(stream);
  }

  windowUpdate(stream: H2Stream, increment: number): void {
    if (stream.id !== 0 && !this.#closed) this.#frames((frames) => frames.windowUpdate(stream.id, increment));
  }

  reset(stream: H2Stream, code: number): void {
    stream.abandon();
    if (this.#waiting.delete(stream)) return;
    if (!this.#closed) this.#frames((frames) => frames.rstStream(stream.id, code));
    this.#remove(stream);
  }

  pendingChanged(delta: number): void {
    this.#sender.pendingBytes += delta;
  }

  #afterFlush(): void {
    if (this.#sender.blocked && !this.#closed) this.#watchdog ??= this.#openWatchdog();
    this.#watchdog?.check();
    if (this.#closing !== undefined) this.#closeIfIdle();
  }

  #openWatchdog(): StallWatchdog {
    const { peer, watchdogMs } = this.#options;
    return new StallWatchdog(watchdogMs, {
      blocked: () => this.#sender.blocked && !this.#closed,
      progress: () => this.#sender.progress,
      ping: () => this.#sender.frames.ping(new Uint8Array(8), false),
      dead: (ms) => this.destroy(`${peer} has not taken anything for ${ms} ms nor answered a ping`),
    });
  }

  #sendPreface(): void {
    const { frames } = this.#sender;
    const settings: [number, number][] = [
      [settingId.initialWindowSize, STREAM_WINDOW_BYTES],
      [settingId.maxHeaderListSize, MAX_HEADER_LIST_BYTES],
    ];
    if (this.#options.role === "client") {
      frames.ascii(CLIENT_PREFACE);
      settings.push([settingId.enablePush, 0]);
    } else {
      settings.push([settingId.maxConcurrentStreams, MAX_CONCURRENT_STREAMS]);
    }
    frames.settings(settings);
    frames.windowUpdate(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  #checkPreface(chunk: Uint8Array): Uint8Array {
    const from = CLIENT_PREFACE.length - this.#prefaceLeft;
    const taken = Math.min(this.#prefaceLeft, chunk.byteLength);
    for (let i = 0; i < taken; i++) {
      if (chunk[i] !== CLIENT_PREFACE.charCodeAt(from + i)) {
        throw new H2ConnectionError(h2Code.protocolError, "the client does not speak HTTP/2");
      }
    }
    this.#prefaceLeft -= taken;
    return chunk.subarray(taken);
  }

  #onFrame(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#dispatcher.dispatch(type, flags, id, payload);
    } catch (error) {
      if (!(error instanceof H2StreamError)) throw error;
      this.#failStream(error);
    }
  }

  #onData(id: number, content: Uint8Array, size: number, endStream: boolean): void {
    const stream = this.#streamOf(id, "DATA");
    this.#receiveOnConnection(size);
    this.#watchdog?.answered();
    if (!stream) return;
    if (stream.remoteClosed) throw new H2StreamError(id, h2Code.streamClosed, "DATA after the end of the stream");
    stream.receive(size);
    stream.consumed(size - content.byteLength);
    if (endStream) stream.remoteClosed = true;
    stream.events.data(content, endStream);
    if (endStream) this.#removeIfClosed(stream);
  }

  #receiveOnConnection(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      throw new H2ConnectionError(h2Code.flowControlError, "more bytes than the connection's window allows");
    }
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < CONNECTION_WINDOW_BYTES / 2) return;
    this.#sender.frames.windowUpdate(0, this.#unacknowledged);
    this.#receiveWindow += this.#unacknowledged;
    this.#unacknowledged = 0;
  }

  #onHeaders(id: number, decoded: DecodedHeaders, endStream: boolean): void {
    this.#watchdog?.answered();
    const stream = this.#streams.get(id) ?? this.#accept(id);
    if (!stream) return;
    if (stream.remoteClosed) throw new H2StreamError(id, h2Code.streamClosed, "HEADERS after the end");
    if (decoded.kind === "too_large") {
      const why = `headers of ${decoded.size} bytes, at most ${MAX_HEADER_LIST_BYTES}`;
      throw new H2StreamError(id, h2Code.enhanceYourCalm, why);
    }
    if (endStream) stream.remoteClosed = true;
    stream.events.headers(decoded.fields, endStream);
    if (endStream) this.#removeIfClosed(stream);
  }

  /** The new stream that a client's HEADERS open; undefined for one that is over, whose frames are ignored. */
  #accept(id: number): H2Stream | undefined {
    const { accept, role } = this.#options;
    if (role === "client" || !accept) {
      this.#refuseIdle(id, "HEADERS");
      return undefined;
    }
    if (id % 2 === 0) throw protocolError(`a client opened stream ${id}`);
    if (id <= this.#lastPeerId) return undefined;
    if (this.#closing !== undefined) return undefined;
    this.#lastPeerId = id;
    if (this.#streams.size >= MAX_CONCURRENT_STREAMS) {
      this.#sender.frames.rstStream(id, h2Code.refusedStream);
      return undefined;
    }
    return this.#open(id, accept);
  }

  #open(id: number, accept: (stream: H2Stream) => StreamEvents): H2Stream {
    const stream = new H2Stream(this, accept);
    stream.id = id;
    stream.sendWindow = this.#peer.initialWindowBytes;
    this.#streams.set(id, stream);
    return stream;
  }

  #onReset(id: number, code: number): void {
    const stream = this.#streamOf(id, "RST_STREAM");
    if (stream) this.#drop(stream, code === h2Code.refusedStream ? REFUSED : { kind: "reset", code });
  }

  #onSettings(payload: Uint8Array): void {
    const before = this.#peer.initialWindowBytes;
    this.#peer = applySettings(this.#peer, payload);
    this.#sender.maxFrameBytes = this.#peer.maxFrameBytes;
    this.#sender.frames.settingsAck();
    this.#shiftWindows(this.#peer.initialWindowBytes - before);
    this.#startWaiting();
  }

  /** RFC 9113 section 6.9.2: a new initial window changes every open stream's window by the difference. */
  #shiftWindows(delta: number): void {
    if (delta === 0) return;
    for (const stream of this.#streams.values()) {
      try {
        stream.growSendWindow(delta);
      } catch (error) {
        if (!(error instanceof H2StreamError)) throw error;
        throw new H2ConnectionError(h2Code.flowControlError, error.message);
      }
    }
  }

  #onGoaway(last: number, code: number, text: string): void {
    const name = code === h2Code.noError ? "" : ` (${h2CodeName(code)}${text === "" ? "" : ` ${text}`})`;
    const why = `${this.#options.peer} is closing the connection${name}`;
    this.#stopOpening(why);
    if (this.#options.role === "client") this.#refuseAbove(last, why);
    this.#closeIfIdle();
  }

  #refuseAbove(last: number, why: string): void {
    const failure: StreamFailure = { kind: "refused", why };
    for (const stream of [...this.#streams.values()]) if (stream.id > last) this.#drop(stream, failure);
    for (const stream of [...this.#waiting.keys()]) this.#drop(stream, failure);
  }

  #onWindowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (increment === 0) throw protocolError("WINDOW_UPDATE of 0");
      this.#sender.growWindow(increment);
      return;
    }
    const stream = this.#streamOf(id, "WINDOW_UPDATE");
    if (!stream) return;
    if (increment === 0) throw new H2StreamError(id, h2Code.protocolError, "WINDOW_UPDATE of 0");
    stream.growSendWindow(increment);
  }

  /** The open stream `id`; undefined for one that is over, as its last frames may cross our RST_STREAM. */
  #streamOf(id: number, frame: string): H2Stream | undefined {
    const stream = this.#streams.get(id);
    if (!stream) this.#refuseIdle(id, frame);
    return stream;
  }

  #refuseIdle(id: number, frame: string): void {
    const opened = this.#options.role === "client" ? id % 2 === 1 && id < this.#nextId : id <= this.#lastPeerId;
    if (id === 0 || (!opened && this.#closing === undefined))
      throw protocolError(`${frame} on stream ${id}, which is idle`);
  }

  #start(stream: H2Stream, headers: Uint8Array): void {
    stream.id = this.#nextId;
    this.#nextId += 2;
    stream.sendWindow = this.#peer.initialWindowBytes;
    this.#streams.set(stream.id, stream);
    this.#frames((frames) => frames.headers(stream.id, headers, false, this.#sender.maxFrameBytes));
    this.#sender.ready(stream);
  }

  #startWaiting(): void {
    for (const [stream, headers] of this.#waiting) {
      if (this.#streams.size >= this.#peer.maxConcurrentStreams) return;
      this.#waiting.delete(stream);
      this.#start(stream, headers);
    }
  }

  #failStream(error: H2StreamError): void {
    const stream = this.#streams.get(error.streamId);
    this.#sender.frames.rstStream(error.streamId, error.code);
    if (stream) this.#drop(stream, { kind: "protocol", code: error.code, why: error.message });
  }

  #drop(stream: H2Stream, failure: StreamFailure): void {
    stream.abandon();
    this.#waiting.delete(stream);
    this.#remove(stream);
    stream.events.failed(failure);
  }

  #removeIfClosed(stream: H2Stream): void {
    if (stream.closed) this.#remove(stream);
  }

  #remove(stream: H2Stream): void {
    if (!this.#streams.delete(stream.id)) return;
    if (this.#waiting.size > 0) this.#startWaiting();
    // Later, because the sender may be in the middle of this stream's last frame.
    if (this.#closing !== undefined) queueMicrotask(() => this.#closeIfIdle());
  }

  #stopOpening(why: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = why;
    this.#options.onClosing?.();
  }

  /** After GOAWAY: closes once the last stream is over and its last bytes are gone. */
  #closeIfIdle(): void {
    if (this.#closing === undefined || this.activeStreams > 0 || !this.#sender.idle) return;
    this.#die(h2Code.noError, this.#closing);
  }

  /** Writes frames from outside the receive path, where a flooding peer's error must not reach the caller. */
  #frames(write: (frames: H2Sender["frames"]) => void): void {
    try {
      write(this.#sender.frames);
    } catch (error) {
      this.#onBroken(error);
    }
  }

  #onBroken(error: unknown): void {
    const code = error instanceof H2ConnectionError ? error.code : h2Code.internalError;
    this.#die(code, error instanceof Error ? error.message : String(error));
  }

  /** GOAWAY, flush, close; every stream fails with `why`. */
  #die(code: number, why: string): void {
    if (this.#dying || this.#closed) return;
    this.#dying = true;
    if (!this.#sender.busy) {
      this.#sender.frames.goaway(this.#lastPeerId, code, code === h2Code.noError ? "" : why);
      this.#sender.flush();
    }
    this.#finish(why);
    // A peer that does not read would keep a polite close waiting for ever.
    if (this.#sender.busy) this.#socket.destroy();
    else this.#socket.close();
  }

  #finish(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchdog?.stop();
    this.#sender.stop();
    this.#stopOpening(why);
    const failure: StreamFailure = { kind: "connection", why };
    for (const stream of [...this.#streams.values(), ...this.#waiting.keys()]) this.#drop(stream, failure);
  }
}

const REFUSED: StreamFailure = { kind: "refused", why: "the peer refused the stream" };
