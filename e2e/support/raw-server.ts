import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** A request as its bytes said it. */
export interface RawRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A server on loopback that answers with whatever bytes it is told to. */
export interface RawServer extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  /** In order. */
  readonly requests: readonly RawRequest[];
  /** Every byte that was sent to it, decrypted. */
  received(): Buffer;
}

/** Writes an answer, or does worse, on the connection of a request. */
export type RawAnswer = (request: RawRequest, socket: Socket) => void | Promise<void>;

export interface RawServerOptions {
  /** PEM text; without it the server speaks no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Called with each new connection before anything was read; true when it wants no request. */
  readonly onConnection?: (socket: Socket) => boolean;
  /** Leaves the bodies of requests it matches unread: the answer comes after the head. */
  readonly headOnly?: (request: RawRequest) => boolean;
}

/** Starts a server that reads requests one after the other from each connection and hands them to `answer`. */
export async function startRawServer(answer: RawAnswer, options: RawServerOptions = {}): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    if (options.onConnection?.(socket) === true) return;
    const take = requestReader(options, (request) => {
      requests.push(request);
      void answer(request, socket);
    });
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      // A TLS handshake is no request.
      if (chunk[0] === 0x16) socket.end(headOf({ status: 400 }));
      else take(chunk);
    });
  };
  const server = options.tls === undefined ? createServer(serve) : createTlsServer(options.tls, serve);
  // A client that turns away from a certificate is told by the client.
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A listening TCP server has an address and a port.
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    received: () => Buffer.concat(received),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Gathers bytes of one connection into requests; lengths are by Content-Length. */
function requestReader(options: RawServerOptions, got: (request: RawRequest) => void): (chunk: Buffer) => void {
  let bytes = Buffer.alloc(0);
  let ended = false;
  return (chunk) => {
    if (ended) return;
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = parseHead(bytes.subarray(0, end).toString("latin1"));
      if (options.headOnly?.(head) === true) {
        ended = true;
        return got(head);
      }
      const length = Number(head.headers["content-length"] ?? 0);
      if (bytes.byteLength < end + 4 + length) return;
      got({ ...head, body: Buffer.from(bytes.subarray(end + 4, end + 4 + length)) });
      bytes = bytes.subarray(end + 4 + length);
    }
  };
}

function parseHead(text: string): RawRequest {
  const [start = "", ...lines] = text.split("\r\n");
  const [method = "", target = ""] = start.split(" ");
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const { pathname } = new URL(target, "http://registry.invalid");
  return { method, target, path: pathname, headers: Object.fromEntries(fields), body: Buffer.alloc(0) };
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Status line and fields as bytes on the wire, blank line included. */
export function headOf({ status, headers = {} }: Reply): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${fields.join("")}\r\n`;
}

/** Sends a well-formed answer; a HEAD is told the length of what it does not get. */
export function sendReply(request: RawRequest, socket: Socket, reply: Reply): void {
  const body = Buffer.from(reply.body ?? "");
  const headers = { "Content-Length": String(body.byteLength), ...reply.headers };
  socket.write(headOf({ ...reply, headers }));
  if (request.method !== "HEAD") socket.write(body);
  if (request.headers["connection"] === "close") socket.end();
}
