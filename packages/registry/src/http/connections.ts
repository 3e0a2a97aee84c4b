import type { Agent, ClientRequestArgs } from "node:http";
import type { Socket } from "node:net";

/** Connections that are kept for the next request to the same server; more than that many at once are closed after use. */
const MAX_IDLE = 16;

/** Opens a connection for one request. */
export type Dial = () => Promise<Socket>;

/** What a request says of its connection. */
interface Dialled extends ClientRequestArgs {
  readonly dial: Dial;
  /** Requests of one key may share a connection. */
  readonly key: string;
}

/**
 * Connections by `node:http`'s pool. With `keepAlive` one is used again once an answer has been read to its end: a server
 * far away, with TLS, is three round trips nearer then.
 */
export function openConnections(keepAlive: boolean): Agent {
  const http = process.getBuiltinModule("node:http");
  const agent = new http.Agent({ keepAlive, maxFreeSockets: MAX_IDLE, scheduling: "lifo" });
  // The hooks that node:http documents for agents of one's own.
  return Object.assign(agent, {
    getName: (options: Dialled) => options.key,
    createConnection(options: Dialled, made: (error: unknown, socket?: Socket) => void) {
      options.dial().then((socket) => made(null, socket), made);
    },
  }) as Agent;
}
