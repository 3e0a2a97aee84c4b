import type { ByteSocket, SocketEvents } from "../socket.ts";
import { encodeTtrpcFrame, type TtrpcFrame, type TtrpcFrameEvents, TtrpcFrameReader } from "./frame.ts";

/** What one side of a connection does with what comes. */
export interface TtrpcPeer extends TtrpcFrameEvents {
  /** Called once, whoever ended the connection. */
  closed(why: string): void;
}

/** Bytes that may wait for a peer that does not read; past that it is cut off. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** Frames over a socket, both ways. */
export class TtrpcConnection implements SocketEvents {
  readonly #socket: ByteSocket;
  readonly #peer: TtrpcPeer;
  readonly #reader: TtrpcFrameReader;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #blocked = false;
  #closing: string | undefined;
  #ended = false;

  constructor(socket: ByteSocket, peer: TtrpcPeer) {
    this.#socket = socket;
    this.#peer = peer;
    this.#reader = new TtrpcFrameReader(peer);
  }

  /** Why nothing more can be sent; undefined while something can. */
  get closing(): string | undefined {
    return this.#closing;
  }

  send(frame: TtrpcFrame): void {
    if (this.#closing !== undefined) return;
    const bytes = encodeTtrpcFrame(frame);
    if (!this.#blocked) {
      this.#blocked = !this.#socket.send(bytes);
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.byteLength;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.destroy(`the peer left ${this.#waitingBytes} bytes unread`);
  }

  /** Ends the connection once what waits has left. */
  close(why: string): void {
    if (this.#closing !== undefined) return;
    this.#closing = why;
    if (!this.#blocked) this.#socket.close();
  }

  destroy(why: string): void {
    this.#closing ??= why;
    this.#socket.destroy();
    this.#end();
  }

  data(chunk: Uint8Array): void {
    if (!this.#ended) this.#reader.push(chunk);
  }

  drained(): void {
    this.#blocked = false;
    while (!this.#blocked) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) break;
      this.#waitingBytes -= bytes.byteLength;
      this.#blocked = !this.#socket.send(bytes);
    }
    if (!this.#blocked && this.#closing !== undefined) this.#socket.close();
  }

  closed(error: Error | undefined): void {
    this.#closing ??= error === undefined ? "ttrpc: closed" : `ttrpc: closed: ${error.message}`;
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#peer.closed(this.#closing ?? "ttrpc: closed");
  }
}
