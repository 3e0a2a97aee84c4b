import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { requestError } from "./errors.ts";
import { type HttpRequest, type HttpResponse, type HttpTransport, ResponseHeaders } from "./message.ts";
import { idleTimeoutMs, SilenceTimer, silentFor, UPLOAD_PATIENCE } from "./patience.ts";
import { type Environment, proxyFor } from "./proxy.ts";
import { openSocket, proxyAuthorization, type TlsOptions } from "./socket.ts";
import type { HttpTrace } from "./trace.ts";

export interface TransportOptions {
  readonly tls?: TlsOptions;
  /** Longest a connection may take, in milliseconds. */
  readonly dialTimeoutMs?: number;
  /** Longest silence before an answer and in the middle of a body, in milliseconds; default `CTR_REGISTRY_TIMEOUT`. */
  readonly idleTimeoutMs?: number;
  /** Where the proxy variables are read. */
  readonly env?: Environment;
  /** Told of look-ups and connections. */
  readonly trace?: HttpTrace;
}

const DIAL_TIMEOUT_MS = 30_000;
/** Longest chunk handed on, in bytes (style: streams). */
const MAX_CHUNK_BYTES = 1024 * 1024;

/**
 * HTTP/1.1 by `node:http` over sockets of our own: the one way that has TLS options, proxies and known upload lengths
 * and behaves the same on Bun and Node. One connection a request.
 */
export function openTransport(options: TransportOptions = {}): HttpTransport {
  return { send: (request, { signal }) => send(request, options, signal) };
}

async function send(request: HttpRequest, options: TransportOptions, signal: AbortSignal): Promise<HttpResponse> {
  signal.throwIfAborted();
  const env = options.env ?? process.env;
  const proxy = proxyFor(request.url, env);
  const patienceMs = options.idleTimeoutMs ?? idleTimeoutMs(env);
  try {
    const dialTimeoutMs = options.dialTimeoutMs ?? DIAL_TIMEOUT_MS;
    const { tls = {}, trace } = options;
    const socket = await openSocket(request.url, { signal, proxy, dialTimeoutMs, patienceMs, tls, trace });
    const message = await exchange(request, { socket, proxy, signal, patienceMs });
    return toResponse(request, message, { signal, idleTimeoutMs: patienceMs });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw requestError(error, request);
  }
}

interface Wire {
  readonly socket: Socket;
  readonly proxy: URL | undefined;
  readonly signal: AbortSignal;
  readonly patienceMs: number;
}

function exchange(request: HttpRequest, wire: Wire): Promise<IncomingMessage> {
  const { url } = request;
  const throughProxy = wire.proxy !== undefined && url.protocol === "http:";
  const outgoing = process.getBuiltinModule("node:http").request({
    method: request.method,
    host: url.hostname,
    path: throughProxy ? `${url.origin}${url.pathname}${url.search}` : url.pathname + url.search,
    headers: outgoingHeaders(request, throughProxy ? wire.proxy : undefined),
    setHost: false,
    createConnection: () => wire.socket,
  });
  return new Promise((resolve, reject) => {
    const finish = (error: unknown, message?: IncomingMessage) => {
      silence.stop();
      wire.signal.removeEventListener("abort", abort);
      if (message !== undefined) return resolve(message);
      wire.socket.destroy();
      reject(error);
    };
    const abort = () => finish(wire.signal.reason);
    const silence = new SilenceTimer(wire.patienceMs * (request.body === undefined ? 1 : UPLOAD_PATIENCE), finish);
    outgoing.once("response", (message) => finish(undefined, message));
    // Kept for as long as the request lives: a reset after the answer is told by the body.
    outgoing.on("error", finish);
    wire.signal.addEventListener("abort", abort, { once: true });
    sendBody(outgoing, request, () => silence.restart()).catch(finish);
  });
}

function outgoingHeaders(request: HttpRequest, proxy: URL | undefined): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { Host: request.url.host };
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = typeof value === "string" ? value : [...value];
  }
  const authorization = proxy === undefined ? undefined : proxyAuthorization(proxy);
  if (authorization !== undefined) headers["Proxy-Authorization"] = authorization;
  if (request.body !== undefined) headers["Content-Length"] = request.body.length.toString();
  else if (request.method !== "GET" && request.method !== "HEAD") headers["Content-Length"] = "0";
  headers["Connection"] = "close";
  return headers;
}

/** Sends the body as fast as the socket takes it; stops quietly when the server has answered before the end. */
async function sendBody(outgoing: ClientRequest, request: HttpRequest, onProgress: () => void): Promise<void> {
  if (request.body !== undefined) {
    for await (const chunk of request.body.open()) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(chunk)) await writable(outgoing);
      onProgress();
    }
  }
  outgoing.end();
}

/** Resolves when more can be written, or when nobody listens any more. */
function writable(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "error", "response"]) outgoing.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "error", "response"]) outgoing.once(event, done);
  });
}

interface BodyOptions {
  readonly signal: AbortSignal;
  readonly idleTimeoutMs: number;
}

function toResponse(request: HttpRequest, message: IncomingMessage, options: BodyOptions): HttpResponse {
  const dispose = async () => {
    message.on("error", () => undefined);
    message.destroy();
  };
  return {
    status: message.statusCode ?? 0,
    reason: message.statusMessage ?? "",
    headers: new ResponseHeaders(message.rawHeaders),
    url: request.url,
    body: readBody(request, message, options),
    [Symbol.asyncDispose]: dispose,
  };
}

async function* readBody(
  request: HttpRequest,
  message: IncomingMessage,
  options: BodyOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const abort = () => message.destroy(new Error("aborted"));
  options.signal.addEventListener("abort", abort, { once: true });
  try {
    options.signal.throwIfAborted();
    for await (const chunk of withIdleTimeout(message, options.idleTimeoutMs)) {
      for (let at = 0; at < chunk.byteLength; at += MAX_CHUNK_BYTES) yield chunk.subarray(at, at + MAX_CHUNK_BYTES);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    throw requestError(error, request);
  } finally {
    options.signal.removeEventListener("abort", abort);
    message.destroy();
  }
}

/** Fails a stream that says nothing for `timeoutMs`; time its reader takes does not count. */
async function* withIdleTimeout(
  message: IncomingMessage,
  timeoutMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks: AsyncIterator<Uint8Array> = message[Symbol.asyncIterator]();
  for (;;) {
    const timer = setTimeout(() => message.destroy(silentFor(timeoutMs)), timeoutMs);
    const next = await chunks.next().finally(() => clearTimeout(timer));
    if (next.done === true) return;
    yield next.value;
  }
}
