import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { ContainerdError } from "@ctr/api";
import { hostOf } from "./proxy.ts";
import type { HttpTrace } from "./trace.ts";

/** How a server proves itself, and we to it. PEM text. */
export interface TlsOptions {
  /** Added to the authorities of the system. */
  readonly ca?: readonly string[];
  readonly clientCert?: { readonly cert: string; readonly key: string };
  readonly skipVerify?: boolean;
}

export interface SocketOptions {
  readonly signal: AbortSignal;
  readonly tls: TlsOptions;
  readonly dialTimeoutMs: number;
  /** Longest silence in a TLS handshake that is waited for, in milliseconds; never more than 10 s. */
  readonly patienceMs: number;
  readonly proxy: URL | undefined;
  readonly trace: HttpTrace | undefined;
}

/** Longest a TLS handshake may take, in milliseconds; as Go's default transport. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A connected socket to the server of `url`, through the proxy and wrapped in TLS where that is asked for. */
export async function openSocket(url: URL, options: SocketOptions): Promise<Socket> {
  const { proxy } = options;
  const near = await dial(proxy ?? url, options);
  const wire = proxy?.protocol === "https:" ? await wrapTls(near, proxy, { ...options, tls: {} }) : near;
  if (url.protocol !== "https:") return wire;
  if (proxy !== undefined) await openTunnel(wire, url, { proxy, signal: options.signal });
  return wrapTls(wire, url, options);
}

function dial(url: URL, options: SocketOptions): Promise<Socket> {
  const net = process.getBuiltinModule("node:net");
  const host = hostOf(url);
  const socket = net.connect({ host, port: portOf(url) });
  socket.setNoDelay(true);
  if (options.trace !== undefined) tellConnection(socket, net.isIP(host) === 0 ? host : undefined, options.trace);
  return settled(socket, "connect", { signal: options.signal, timeoutMs: options.dialTimeoutMs });
}

function tellConnection(socket: Socket, name: string | undefined, trace: HttpTrace): void {
  if (name !== undefined) {
    trace.onLookup?.(name);
    socket.once("lookup", (error: Error | null, address: string) => {
      if (error === null) trace.onLookedUp?.(address);
      else trace.onLookupFailed?.(error.message);
    });
  }
  socket.once("connect", () => {
    const { remoteAddress = "", remotePort } = socket;
    trace.onConnect?.(`${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`);
  });
}

function wrapTls(socket: Socket, url: URL, options: SocketOptions): Promise<Socket> {
  const tls = process.getBuiltinModule("node:tls");
  const host = hostOf(url);
  const { ca, clientCert, skipVerify } = options.tls;
  const connection: ConnectionOptions = {
    socket,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: skipVerify !== true,
  };
  // An address is no server name (RFC 6066 section 3); the certificate is still checked against `host`.
  if (process.getBuiltinModule("node:net").isIP(host) === 0) connection.servername = host;
  else connection.host = host;
  if (ca !== undefined && ca.length > 0) connection.ca = [...systemAuthorities(), ...ca];
  if (clientCert !== undefined) Object.assign(connection, clientCert);
  const secure = tls.connect(connection);
  return settled(secure, "secureConnect", {
    signal: options.signal,
    timeoutMs: Math.min(HANDSHAKE_TIMEOUT_MS, options.patienceMs),
  });
}

function systemAuthorities(): readonly string[] {
  return process.getBuiltinModule("node:tls").rootCertificates;
}

/** Waits for `event`; destroys the socket on failure, time-out or abort. */
function settled(
  socket: Socket,
  event: "connect" | "secureConnect",
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown) => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", abort);
      socket.off("error", finish);
      socket.off("close", closed);
      socket.off(event, done);
      if (error === undefined) return resolve(socket);
      // Errors that come after this one have nobody to tell.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    const done = () => finish();
    const abort = () => finish(options.signal.reason);
    const closed = () => finish(Object.assign(new Error("EOF"), { code: "ECONNRESET" }));
    const timer = setTimeout(
      () => finish(Object.assign(new Error("i/o timeout"), { code: "ETIMEDOUT" })),
      options.timeoutMs,
    );
    socket.once(event, done);
    socket.once("error", finish);
    socket.once("close", closed);
    options.signal.addEventListener("abort", abort, { once: true });
    if (options.signal.aborted) abort();
  });
}

/** Largest answer to CONNECT that is read, in bytes. */
const MAX_TUNNEL_ANSWER = 16 * 1024;

/** Asks an HTTP proxy for a tunnel to the host of `url`. RFC 9110 section 9.3.6. */
async function openTunnel(
  socket: Socket,
  url: URL,
  options: { readonly proxy: URL; readonly signal: AbortSignal },
): Promise<void> {
  const target = `${url.hostname}:${portOf(url)}`;
  const authorization = proxyAuthorization(options.proxy);
  const extra = authorization === undefined ? "" : `Proxy-Authorization: ${authorization}\r\n`;
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${extra}\r\n`);
  const head = await readHead(socket, options.signal);
  const status = /^HTTP\/1\.[01] (\d{3})([^\r\n]*)/.exec(head);
  if (status?.[1]?.startsWith("2")) return;
  socket.destroy();
  throw new ContainerdError({
    code: status?.[1] === "407" ? "unauthenticated" : "unavailable",
    what: `proxyconnect tcp: ${options.proxy.host} refused a tunnel to ${target}`,
    why: status === null ? "malformed HTTP response" : `${status[1]}${status[2]}`,
    fix: "check HTTPS_PROXY and NO_PROXY",
  });
}

/** `Basic …` from a proxy URL's user info. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === "") return undefined;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(user).toString("base64")}`;
}

/** Reads up to the blank line, byte-exact: what follows belongs to TLS and is put back. */
function readHead(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const finish = (error: unknown, text = "") => {
      signal.removeEventListener("abort", abort);
      socket.off("data", onData);
      socket.off("error", finish);
      socket.off("close", closed);
      if (error === undefined) resolve(text);
      else reject(error);
    };
    const abort = () => finish(signal.reason);
    const closed = () => finish(Object.assign(new Error("EOF"), { code: "ECONNRESET" }));
    const onData = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0 && head.byteLength < MAX_TUNNEL_ANSWER) return;
      socket.pause();
      if (end < 0) return finish(new Error("malformed HTTP response"));
      if (head.byteLength > end + 4) socket.unshift(head.subarray(end + 4));
      finish(undefined, head.subarray(0, end).toString("latin1"));
    };
    socket.on("data", onData);
    socket.once("error", finish);
    socket.once("close", closed);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}
