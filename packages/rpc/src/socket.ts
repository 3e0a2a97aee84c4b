import { connectOnBun, listenOnBun } from "./socket-bun.ts";
import { connectOnNode, listenOnNode } from "./socket-node.ts";

/** Where a peer listens: a unix socket, or a TCP port on a host. */
export type SocketTarget = { readonly path: string } | { readonly host: string; readonly port: number };

/** One end of a byte stream. */
export interface ByteSocket {
  /**
   * Hands bytes to the kernel. True: they are gone and their buffer is free. False: the socket keeps the buffer, which
   * must not change, and nothing more may be sent until `drained` is called.
   */
  send(bytes: Uint8Array): boolean;
  /** Ends the stream once everything handed over has left. Harmless when already closed. */
  close(): void;
  /** Ends it now; what has not left is lost. */
  destroy(): void;
}

/** What happens on a socket. None of these may throw. A chunk belongs to the receiver. */
export interface SocketEvents {
  data(chunk: Uint8Array): void;
  drained(): void;
  /** Called exactly once, whoever ended the stream. */
  closed(error: Error | undefined): void;
}

/** Called once a socket is open and before its first event. */
export type AttachSocket = (socket: ByteSocket) => SocketEvents;

export interface ConnectOptions {
  readonly signal: AbortSignal;
  readonly connectTimeoutMs?: number;
}

/** A connection that could not be made. `errno` is the kernel's name for the reason (ENOENT, ECONNREFUSED, EACCES, ETIMEDOUT…). */
export class ConnectError extends Error {
  readonly errno: string;
  readonly address: string;

  constructor(address: string, errno: string, cause?: unknown) {
    super(`connect ${address}: ${errno}`, cause === undefined ? undefined : { cause });
    this.name = "ConnectError";
    this.errno = errno;
    this.address = address;
  }
}

/** `/run/x.sock` or `host:port`, for messages. */
export function formatTarget(target: SocketTarget): string {
  return "path" in target ? target.path : `${target.host}:${target.port}`;
}

/** A listening socket; disposing it stops accepting but leaves open connections alone. */
export interface SocketListener extends AsyncDisposable {
  /** The TCP port, also when 0 was asked for; undefined on a unix socket. */
  readonly port: number | undefined;
}

/**
 * Connects to `target`. Fails with `ConnectError`, or with the signal's reason when it aborts first. This file alone
 * decides between Bun's sockets and node:net, which is never loaded on Bun: it would cost 3 ms at start.
 */
export async function connectSocket(
  target: SocketTarget,
  attach: AttachSocket,
  options: ConnectOptions,
): Promise<void> {
  options.signal.throwIfAborted();
  const connect = typeof Bun === "undefined" ? connectOnNode : connectOnBun;
  const attempt = new ConnectAttempt(attach);
  const address = formatTarget(target);
  const connecting = connect(target, (socket) => attempt.opened(socket)).catch((error: unknown) => {
    throw new ConnectError(address, errnoOf(error), error);
  });
  await Promise.race([connecting, attempt.gaveUp(address, options)]).finally(() => attempt.settle());
}

/** Listens on `target`; each connection is given to `attach`. */
export function listenSocket(target: SocketTarget, attach: AttachSocket): Promise<SocketListener> {
  return typeof Bun === "undefined" ? listenOnNode(target, attach) : listenOnBun(target, attach);
}

/** One try to connect, which an abort or a time limit may overtake; a socket that opens after that is closed unseen. */
class ConnectAttempt {
  readonly #attach: AttachSocket;
  #over = false;
  #release = () => {};

  constructor(attach: AttachSocket) {
    this.#attach = attach;
  }

  opened(socket: ByteSocket): SocketEvents {
    if (!this.#over) return this.#attach(socket);
    socket.destroy();
    return { data() {}, drained() {}, closed() {} };
  }

  /** Rejects on abort or time-out, and never resolves. */
  gaveUp(address: string, options: ConnectOptions): Promise<never> {
    return new Promise((_resolve, reject) => {
      const giveUp = (reason: unknown) => {
        this.#over = true;
        reject(reason);
      };
      const onAbort = () => giveUp(options.signal.reason);
      options.signal.addEventListener("abort", onAbort, { once: true });
      const { connectTimeoutMs } = options;
      const timer =
        connectTimeoutMs === undefined
          ? undefined
          : setTimeout(() => giveUp(new ConnectError(address, "ETIMEDOUT")), connectTimeoutMs);
      this.#release = () => {
        clearTimeout(timer);
        options.signal.removeEventListener("abort", onAbort);
      };
    });
  }

  settle(): void {
    this.#release();
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
}
