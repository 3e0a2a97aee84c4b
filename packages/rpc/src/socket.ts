import { onAbort } from "./abort-listener.ts";
import { createDeferred } from "./deferred.ts";
import { connectOnBun, listenOnBun } from "./socket-bun.ts";

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
  const connect = typeof Bun === "undefined" ? (await import("./socket-node.ts")).connectOnNode : connectOnBun;
  const { promise, resolve, reject } = createDeferred<void>();
  const attempt = new ConnectAttempt(attach, reject);
  const address = formatTarget(target);
  const settle = attempt.limit(address, options);
  connect(target, (socket) => attempt.opened(socket)).then(
    () => {
      settle();
      resolve();
    },
    (error: unknown) => {
      settle();
      reject(new ConnectError(address, errnoOf(error), error));
    },
  );
  await promise;
}

/** Listens on `target`; each connection is given to `attach`. */
export async function listenSocket(target: SocketTarget, attach: AttachSocket): Promise<SocketListener> {
  if (typeof Bun !== "undefined") return listenOnBun(target, attach);
  return (await import("./socket-node.ts")).listenOnNode(target, attach);
}

/** One try to connect, which an abort or a time limit may overtake; a socket that opens after that is closed unseen. */
class ConnectAttempt {
  readonly #attach: AttachSocket;
  readonly #reject: (reason: unknown) => void;
  #over = false;

  constructor(attach: AttachSocket, reject: (reason: unknown) => void) {
    this.#attach = attach;
    this.#reject = reject;
  }

  opened(socket: ByteSocket): SocketEvents {
    if (!this.#over) return this.#attach(socket);
    socket.destroy();
    return { data() {}, drained() {}, closed() {} };
  }

  /** Gives up on abort and on time-out, until the returned function is called. */
  limit(address: string, { signal, connectTimeoutMs }: ConnectOptions): () => void {
    const release = onAbort(signal, () => this.#giveUp(signal.reason));
    if (connectTimeoutMs === undefined) return release;
    const timer = setTimeout(() => this.#giveUp(new ConnectError(address, "ETIMEDOUT")), connectTimeoutMs);
    return () => {
      clearTimeout(timer);
      release();
    };
  }

  #giveUp(reason: unknown): void {
    this.#over = true;
    this.#reject(reason);
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
}
