import type { Socket } from "node:net";
import type { AttachSocket, ByteSocket, SocketEvents, SocketListener, SocketTarget } from "./socket.ts";

/** Connects by node:net; rejects with an error whose `code` is the errno. */
export function connectOnNode(target: SocketTarget, attach: AttachSocket): Promise<void> {
  const net = process.getBuiltinModule("node:net");
  return new Promise((resolve, reject) => {
    const socket = net.connect("path" in target ? { path: target.path } : { host: target.host, port: target.port });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      new NodeSocket(socket, attach);
      resolve();
    });
  });
}

/** Listens by node:net. */
export function listenOnNode(target: SocketTarget, attach: AttachSocket): Promise<SocketListener> {
  const net = process.getBuiltinModule("node:net");
  const server = net.createServer((socket) => new NodeSocket(socket, attach));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen("path" in target ? { path: target.path } : { host: target.host, port: target.port }, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve({
        port: typeof bound === "object" && bound !== null ? bound.port : undefined,
        async [Symbol.asyncDispose]() {
          server.close();
        },
      });
    });
  });
}

/** node:net queues what the kernel does not take; one write at a time keeps that queue to one buffer. */
class NodeSocket implements ByteSocket {
  readonly #native: Socket;
  readonly #events: SocketEvents;
  #error: Error | undefined;
  #writes = 0;
  /** Number of the write whose buffer node:net still holds; 0 for none. */
  #waitingFor = 0;

  constructor(native: Socket, attach: AttachSocket) {
    this.#native = native;
    native.setNoDelay(true);
    this.#events = attach(this);
    native.on("data", (chunk: Buffer) => {
      // A plain view: Buffer's own `slice` and `subarray` differ from Uint8Array's.
      this.#events.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    native.on("error", (error) => {
      this.#error = error;
    });
    native.on("close", () => this.#events.closed(this.#error));
  }

  send(bytes: Uint8Array): boolean {
    if (this.#native.destroyed || this.#native.writableEnded) return true;
    const write = ++this.#writes;
    this.#native.write(bytes, (error) => {
      // Node calls back a tick later also for a write that was done at once; by then the next one may be waiting.
      if (error || this.#waitingFor !== write) return;
      this.#waitingFor = 0;
      this.#events.drained();
    });
    // Node tries the kernel at once; only what did not fit stays in `writableLength`.
    const gone = this.#native.writableLength === 0;
    if (!gone) this.#waitingFor = write;
    return gone;
  }

  close(): void {
    // A peer that never closes its side must not keep this process alive.
    this.#native.unref();
    this.#native.end();
  }

  destroy(): void {
    this.#native.destroy();
  }
}
