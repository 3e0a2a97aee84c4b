import { frameFlag, frameType, headerFragment, readUint31, readUint32, withoutPadding } from "./frame.ts";
import { H2ConnectionError, H2StreamError, h2Code } from "./h2-error.ts";
import { HeaderBlock } from "./header-block.ts";
import { type DecodedHeaders, HpackDecoder } from "./hpack-decoder.ts";

/** Dynamic table the peer may use: the protocol's default, which needs no SETTINGS to be agreed on. */
const HEADER_TABLE_BYTES = 4096;
/** Largest header list that is kept; announced as SETTINGS_MAX_HEADER_LIST_SIZE. */
export const MAX_HEADER_LIST_BYTES = 256 * 1024;

/** What well-formed frames mean. Whether their stream exists is for the receiver to say. */
export interface FrameMeaning {
  /** `size` is what counts against the windows: the content and its padding. */
  data(streamId: number, content: Uint8Array, size: number, endStream: boolean): void;
  headers(streamId: number, decoded: DecodedHeaders, endStream: boolean): void;
  reset(streamId: number, code: number): void;
  settings(payload: Uint8Array): void;
  ping(payload: Uint8Array): void;
  goaway(lastStreamId: number, code: number, text: string): void;
  windowUpdate(streamId: number, increment: number): void;
}

/**
 * Reads frames by their own rules (RFC 9113 section 6): sizes, flags, which may stand on stream 0, and that a header block
 * is one piece. Throws `H2ConnectionError` or `H2StreamError`.
 */
export class FrameDispatcher {
  readonly #peer: string;
  readonly #meaning: FrameMeaning;
  readonly #hpack = new HpackDecoder({ maxTableBytes: HEADER_TABLE_BYTES, maxListBytes: MAX_HEADER_LIST_BYTES });
  #settingsSeen = false;
  #block: HeaderBlock | undefined;

  constructor(peer: string, meaning: FrameMeaning) {
    this.#peer = peer;
    this.#meaning = meaning;
  }

  dispatch(type: number, flags: number, id: number, payload: Uint8Array): void {
    this.#checkOrder(type, flags, id);
    switch (type) {
      case frameType.data:
        this.#meaning.data(id, withoutPadding(flags, payload), payload.byteLength, (flags & frameFlag.endStream) !== 0);
        break;
      case frameType.headers:
        this.#onHeaders(flags, id, payload);
        break;
      case frameType.priority:
        checkPriority(id, payload);
        break;
      case frameType.rstStream:
        expectSize("RST_STREAM", payload, 4);
        this.#meaning.reset(id, readUint32(payload, 0));
        break;
      case frameType.settings:
        this.#onSettings(flags, id, payload);
        break;
      case frameType.pushPromise:
        throw protocolError("a PUSH_PROMISE, which was not allowed");
      case frameType.ping:
        expectConnection("PING", id);
        expectSize("PING", payload, 8);
        // An answer needs no more than to have been heard.
        if ((flags & frameFlag.ack) === 0) this.#meaning.ping(payload);
        break;
      case frameType.goaway:
        this.#onGoaway(id, payload);
        break;
      case frameType.windowUpdate:
        expectSize("WINDOW_UPDATE", payload, 4);
        this.#meaning.windowUpdate(id, readUint31(payload, 0));
        break;
      case frameType.continuation:
        this.#onContinuation(flags, payload);
        break;
      default:
      // RFC 9113 section 4.1: frames of unknown types are ignored.
    }
  }

  /** SETTINGS come first, and nothing comes inside a header block. */
  #checkOrder(type: number, flags: number, id: number): void {
    if (!this.#settingsSeen && (type !== frameType.settings || (flags & frameFlag.ack) !== 0)) {
      throw protocolError(`${this.#peer} does not speak HTTP/2: its first frame is not SETTINGS`);
    }
    if (this.#block && (type !== frameType.continuation || id !== this.#block.streamId)) {
      throw protocolError("another frame inside a header block");
    }
  }

  #onHeaders(flags: number, id: number, payload: Uint8Array): void {
    if (id === 0) throw protocolError("HEADERS on stream 0");
    const block = new HeaderBlock(id, (flags & frameFlag.endStream) !== 0, headerFragment(flags, payload));
    if ((flags & frameFlag.endHeaders) !== 0) this.#onBlock(block);
    else this.#block = block;
  }

  #onContinuation(flags: number, payload: Uint8Array): void {
    const block = this.#block;
    if (!block) throw protocolError("CONTINUATION without HEADERS");
    block.add(payload);
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#onBlock(block);
  }

  /** Decoded also when nobody wants the stream: both sides' tables must stay in step. */
  #onBlock(block: HeaderBlock): void {
    this.#meaning.headers(block.streamId, this.#hpack.decode(block.join()), block.endStream);
  }

  #onSettings(flags: number, id: number, payload: Uint8Array): void {
    expectConnection("SETTINGS", id);
    if ((flags & frameFlag.ack) !== 0) {
      expectSize("SETTINGS acknowledgement", payload, 0);
      return;
    }
    this.#settingsSeen = true;
    this.#meaning.settings(payload);
  }

  #onGoaway(id: number, payload: Uint8Array): void {
    expectConnection("GOAWAY", id);
    if (payload.byteLength < 8) throw new H2ConnectionError(h2Code.frameSizeError, "GOAWAY of a wrong size");
    const text = new TextDecoder().decode(payload.subarray(8));
    this.#meaning.goaway(readUint31(payload, 0), readUint32(payload, 4), text);
  }
}

/** The peer broke a rule of the protocol that no narrower code covers. */
export function protocolError(message: string): H2ConnectionError {
  return new H2ConnectionError(h2Code.protocolError, message);
}

function checkPriority(id: number, payload: Uint8Array): void {
  if (id === 0) throw protocolError("PRIORITY on stream 0");
  if (payload.byteLength !== 5) throw new H2StreamError(id, h2Code.frameSizeError, "PRIORITY of a wrong size");
}

function expectConnection(frame: string, id: number): void {
  if (id !== 0) throw protocolError(`${frame} on stream ${id}`);
}

function expectSize(frame: string, payload: Uint8Array, size: number): void {
  if (payload.byteLength === size) return;
  throw new H2ConnectionError(h2Code.frameSizeError, `${frame} of ${payload.byteLength} bytes, not ${size}`);
}
