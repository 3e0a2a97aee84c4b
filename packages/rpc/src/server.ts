import { H2Connection } from "./h2-connection.ts";
import { type RegisteredService, type Route, routeTable } from "./route.ts";
import { ServerCall } from "./server-call.ts";
import { type ByteSocket, formatTarget, listenSocket, type SocketTarget } from "./socket.ts";
import { listenOnPath } from "./socket-file.ts";
import { DEFAULT_WATCHDOG_MS } from "./stall-watchdog.ts";
import type { StatusFromError } from "./status.ts";

export type ServeH2cOptions = SocketTarget & {
  readonly services: readonly RegisteredService[];
  /** Turns whatever a service threw into a status. */
  readonly toStatus: StatusFromError;
  /** Aborting it ends the server at once, without waiting for calls. */
  readonly signal: AbortSignal;
  /** Permissions of a socket file; 0o600 without it. */
  readonly mode?: number;
  /** How long disposing waits for calls under way; 5 s without it. */
  readonly drainMs?: number;
  /** See `StallWatchdog`. */
  readonly watchdogMs?: number;
};

/**
 * A listening gRPC server. Disposing it accepts nothing more, says GOAWAY, waits up to `drainMs` for calls under way,
 * then cancels the rest; its socket file is removed unless another server has taken the path meanwhile.
 */
export interface H2cServer extends AsyncDisposable {
  /** The TCP port, also when 0 was asked for; undefined on a unix socket. */
  readonly port: number | undefined;
}

const DEFAULT_DRAIN_MS = 5000;

/** Serves gRPC over cleartext HTTP/2 on a unix socket or a TCP port. */
export async function serveH2c(options: ServeH2cOptions): Promise<H2cServer> {
  options.signal.throwIfAborted();
  const connections = new ConnectionSet(routeTable(options.services), options);
  const attach = (socket: ByteSocket) => connections.open(socket);
  const listener =
    "path" in options
      ? await listenOnPath(options.path, options.mode ?? 0o600, attach)
      : await listenSocket(options, attach);
  const onAbort = () => connections.close("the server was stopped");
  options.signal.addEventListener("abort", onAbort, { once: true });
  return {
    port: listener.port,
    async [Symbol.asyncDispose]() {
      options.signal.removeEventListener("abort", onAbort);
      await listener[Symbol.asyncDispose]();
      await connections.drain(options.drainMs ?? DEFAULT_DRAIN_MS);
    },
  };
}

class ConnectionSet {
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #options: ServeH2cOptions;
  readonly #open = new Set<H2Connection>();
  #onEmpty: (() => void) | undefined;

  constructor(routes: ReadonlyMap<string, Route>, options: ServeH2cOptions) {
    this.#routes = routes;
    this.#options = options;
  }

  open(socket: ByteSocket): H2Connection {
    const connection: H2Connection = new H2Connection(socket, {
      role: "server",
      peer: `the client on ${formatTarget(this.#options)}`,
      watchdogMs: this.#options.watchdogMs ?? DEFAULT_WATCHDOG_MS,
      accept: (stream) =>
        new ServerCall(stream, { connection, routes: this.#routes, toStatus: this.#options.toStatus }),
      onClosed: () => this.#closed(connection),
    });
    this.#open.add(connection);
    return connection;
  }

  close(why: string): void {
    for (const connection of [...this.#open]) connection.close(why);
  }

  async drain(drainMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const connection of [...this.#open]) connection.drain();
    const timer = setTimeout(() => {
      for (const connection of [...this.#open]) connection.destroy("the server was stopped");
    }, drainMs);
    await empty;
    clearTimeout(timer);
  }

  #closed(connection: H2Connection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#onEmpty?.();
  }
}
