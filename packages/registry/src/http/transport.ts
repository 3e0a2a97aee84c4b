import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { type Dial, openConnections } from "./connections.ts";
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
 * and behaves the same on Bun and Node.
 */
export function openTransport(options: TransportOptions = {}): HttpTransport {
  let kept: Agent | undefined;
  return {
    send(request, { signal }) {
      // Asking twice does no harm, so it may be over a connection that turns out to be gone.
      const mayRepeat = request.method === "GET" || request.method === "HEAD";
      if (!mayRepeat) return send(request, { ...options, agent: openConnections(false) }, signal);
      kept ??= openConnections(true);
      return send(request, { ...options, agent: kept }, signal);
    },
  };
}

async function send(
  request: HttpRequest,
  options: TransportOptions & { readonly agent: Agent },
  signal: AbortSignal,
): Promise<HttpResponse> {
  signal.throwIfAborted();
  const env = options.env ?? process.env;
  const proxy = proxyFor(request.url, env);
  const patienceMs = options.idleTimeoutMs ?? idleTimeoutMs(env);
  try {
    const dialTimeoutMs = options.dialTimeoutMs ?? DIAL_TIMEOUT_MS;
    const { agent, tls = {}, trace } = options;
    const dial = () => openSocket(request.url, { signal, proxy, dialTimeoutMs, patienceMs, tls, trace });
    let message: IncomingMessage | "stale";
    do message = await exchange(request, { agent, dial, proxy, signal, patienceMs });
    while (message === "stale");
    return toResponse(request, message, { signal, idleTimeoutMs: patienceMs });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw requestError(error, request);
  }
}

interface Wire {
  readonly agent: Agent;
  readonly dial: Dial;
  readonly proxy: URL | undefined;
  readonly signal: AbortSignal;
  readonly patienceMs: number;
}

/** `stale`: a connection that was kept was gone by the time it was used again; nothing has come of the request. */
function exchange(request: HttpRequest, wire: Wire): Promise<IncomingMessage | "stale"> {
  const { url } = request;
  const throughProxy = wire.proxy !== undefined && url.protocol === "http:";
  const outgoing = process.getBuiltinModule("node:http").request({
    method: request.method,
    host: url.hostname,
    path: throughProxy ? `${url.origin}${url.pathname}${url.search}` : url.pathname + url.search,
    headers: outgoingHeaders(request, throughProxy ? wire.proxy : undefined),
    setHost: false,
    agent: wire.agent,
    // Handed on to the agent, as all options are.
    ...{ dial: wire.dial, key: `${url.origin} ${wire.proxy?.href ?? ""}` },
  });
  return new Promise((resolve, reject) => {
    let silence: SilenceTimer | undefined;
    const finish = (error: unknown, outcome?: IncomingMessage | "stale") => {
      silence?.stop();
      wire.signal.removeEventListener("abort", abort);
      if (outcome !== undefined) return resolve(outcome);
      outgoing.destroy();
      reject(error);
    };
    const abort = () => finish(wire.signal.reason);
    const patienceMs = wire.patienceMs * (request.body === undefined ? 1 : UPLOAD_PATIENCE);
    // Making a connection has a time limit of its own.
    outgoing.once("socket", () => {
      silence = new SilenceTimer(patienceMs, finish);
    });
    outgoing.once("response", (message) => finish(undefined, message));
    // Kept for as long as the request lives: a reset after the answer is told by the body.
    outgoing.on("error", (error) => finish(error, outgoing.reusedSocket && isReset(error) ? "stale" : undefined));
    wire.signal.addEventListener("abort", abort, { once: true });
    sendBody(outgoing, request, () => silence?.restart()).catch(finish);
  });
}

function isReset(error: Error): boolean {
  return "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
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
    // An answer without a body is over, and its connection free, once somebody has read that.
    if (request.method === "HEAD") message.resume();
    else message.destroy();
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
