import { type RegisteredService, type Route, routeTable } from "../route.ts";
import { type ByteSocket, listenSocket, type SocketTarget } from "../socket.ts";
import { listenOnPath } from "../socket-file.ts";
import type { StatusFromError } from "../status.ts";
import { TtrpcConnection } from "./connection.ts";
import { TtrpcServerPeer } from "./server-peer.ts";

export type ServeTtrpcOptions = SocketTarget & {
  readonly services: readonly RegisteredService[];
  /** Turns whatever a service threw into a status. */
  readonly toStatus: StatusFromError;
  /** Aborting it ends every connection at once, without waiting for calls. */
  readonly signal: AbortSignal;
  /** Permissions of a socket file; 0o600 without it. */
  readonly mode?: number;
};

/** A listening ttrpc server. Disposing it ends its connections and removes its socket file if that is still its own. */
export type TtrpcServer = AsyncDisposable;

/**
 * Serves unary methods over ttrpc on a unix socket or a TCP port. A socket file appears whole: it is bound under a
 * temporary name and renamed over `path`.
 */
export async function serveTtrpc(options: ServeTtrpcOptions): Promise<TtrpcServer> {
  options.signal.throwIfAborted();
  const routes = routeTable(options.services);
  const open = new Set<TtrpcConnection>();
  const attach = (socket: ByteSocket) => attachPeer(socket, { routes, open, toStatus: options.toStatus });
  const listener =
    "path" in options
      ? await listenOnPath(options.path, options.mode ?? 0o600, attach)
      : await listenSocket(options, attach);
  const stop = () => {
    for (const connection of [...open]) connection.destroy("the server was stopped");
  };
  options.signal.addEventListener("abort", stop, { once: true });
  return {
    async [Symbol.asyncDispose]() {
      options.signal.removeEventListener("abort", stop);
      await listener[Symbol.asyncDispose]();
      stop();
    },
  };
}

interface Attached {
  readonly routes: ReadonlyMap<string, Route>;
  readonly open: Set<TtrpcConnection>;
  readonly toStatus: StatusFromError;
}

function attachPeer(socket: ByteSocket, { routes, open, toStatus }: Attached): TtrpcConnection {
  const peer = new TtrpcServerPeer(routes, toStatus);
  const connection: TtrpcConnection = new TtrpcConnection(socket, {
    frame: (frame) => peer.frame(connection, frame),
    oversize: (streamId, length) => peer.oversize(connection, streamId, length),
    closed: (why) => {
      open.delete(connection);
      peer.closed(why);
    },
  });
  open.add(connection);
  return connection;
}
