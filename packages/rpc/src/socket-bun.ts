import type { AttachSocket, ByteSocket, SocketEvents, SocketListener, SocketTarget } from "./socket.ts";

/** Bun hands this object to every event of its socket. */
interface SocketState {
  socket: BunSocket | undefined;
}

type NativeSocket = Bun.Socket<SocketState>;

/** Connects by `Bun.connect`; rejects with an error whose `code` is the errno. */
export async function connectOnBun(target: SocketTarget, attach: AttachSocket): Promise<void> {
  const socket = eventsFor(attach, "host" in target);
  const data: SocketState = { socket: undefined };
  if ("path" in target) await Bun.connect<SocketState>({ unix: target.path, socket, data });
  else await Bun.connect<SocketState>({ hostname: target.host, port: target.port, socket, data });
}

/** Listens by `Bun.listen`. */
export async function listenOnBun(target: SocketTarget, attach: AttachSocket): Promise<SocketListener> {
  const socket = eventsFor(attach, "host" in target);
  if ("path" in target) {
    const listener = Bun.listen<SocketState>({ unix: target.path, socket });
    return stopOnDispose(listener, undefined);
  }
  const listener = Bun.listen<SocketState>({ hostname: target.host, port: target.port, socket });
  return stopOnDispose(listener, listener.port);
}

function stopOnDispose(listener: { stop(): void }, port: number | undefined): SocketListener {
  return {
    port,
    async [Symbol.asyncDispose]() {
      listener.stop();
    },
  };
}

function eventsFor(attach: AttachSocket, overTcp: boolean): Bun.SocketHandler<SocketState> {
  return {
    binaryType: "uint8array",
    open(native) {
      if (overTcp) native.setNoDelay(true);
      native.data = { socket: new BunSocket(native, attach) };
    },
    data(native, chunk) {
      native.data.socket?.events.data(chunk);
    },
    drain(native) {
      native.data.socket?.drain();
    },
    end(native) {
      native.data.socket?.close();
    },
    close(native, error) {
      native.data.socket?.ended(error);
    },
    error(native, error) {
      native.data.socket?.ended(error);
      native.terminate();
    },
    // Bun.connect also rejects with this error; without a handler it would be reported as unhandled.
    connectError() {},
  };
}

/** Bun's `write` takes what the kernel takes and queues nothing: the rest waits here for `drain`. */
class BunSocket implements ByteSocket {
  readonly events: SocketEvents;
  readonly #native: NativeSocket;
  #rest: Uint8Array | undefined;
  #closing = false;
  #ended = false;

  constructor(native: NativeSocket, attach: AttachSocket) {
    this.#native = native;
    this.events = attach(this);
  }

  send(bytes: Uint8Array): boolean {
    if (this.#ended) return true;
    const taken = Math.max(0, this.#native.write(bytes));
    if (taken === bytes.byteLength) return true;
    this.#rest = bytes.subarray(taken);
    return false;
  }

  drain(): void {
    const rest = this.#rest;
    if (!rest) return;
    this.#rest = undefined;
    if (!this.send(rest)) return;
    if (this.#closing) this.#native.end();
    else this.events.drained();
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    // A peer that never closes its side must not keep this process alive.
    this.#native.unref();
    if (!this.#rest) this.#native.end();
  }

  destroy(): void {
    this.#closing = true;
    this.#native.terminate();
  }

  ended(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#rest = undefined;
    this.events.closed(error);
  }
}
