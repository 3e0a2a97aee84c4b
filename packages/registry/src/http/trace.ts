import { redactUrl } from "./errors.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "./message.ts";
import { tellText } from "./trace-body.ts";

/** Told of what goes over the wire; every line is safe to print. */
export interface HttpTrace {
  /** Start line and header fields of a request, one line each. */
  onRequest?(lines: readonly string[]): void;
  /** Status line and header fields of an answer, one line each. */
  onResponse?(lines: readonly string[]): void;
  /** A request's or an answer's text, once it is over, one line each. Bytes of layers are not text. */
  onBody?(lines: readonly string[]): void;
  /** A host's name is looked up. */
  onLookup?(host: string): void;
  /** The address it has. */
  onLookedUp?(address: string): void;
  onLookupFailed?(why: string): void;
  /** `address:port` of a server or proxy that is connected. */
  onConnect?(address: string): void;
}

/** Fields of a request that say nothing secret; a hosts.toml may set any other to a key. */
const openFields: ReadonlySet<string> = new Set(
  "accept accept-encoding connection content-length content-range content-type host range user-agent".split(" "),
);
/** Fields of an answer whose value lets another ask in our name. */
const secretFields: ReadonlySet<string> = new Set(["set-cookie", "authorization", "proxy-authorization"]);

/** The same transport, telling `trace` of each request and answer. */
export function traceTransport(transport: HttpTransport, trace: HttpTrace): HttpTransport {
  return {
    async send(request, options) {
      trace.onRequest?.(requestLines(request));
      const response = await transport.send(traceRequestBody(request, trace), options);
      trace.onResponse?.(responseLines(response));
      const { onBody } = trace;
      const type = response.headers.get("Content-Type");
      if (onBody === undefined || request.method === "HEAD") return response;
      const told = tellText(response.body, type, onBody);
      // Member by member: a response's own members may be getters.
      const { status, reason, headers, url } = response;
      return { status, reason, headers, url, body: told, [Symbol.asyncDispose]: () => response[Symbol.asyncDispose]() };
    },
  };
}

function traceRequestBody(request: HttpRequest, { onBody }: HttpTrace): HttpRequest {
  const { body } = request;
  if (body === undefined || onBody === undefined) return request;
  const field = Object.entries(request.headers).find(([name]) => name.toLowerCase() === "content-type")?.[1];
  const type = typeof field === "string" ? field : "";
  return { ...request, body: { length: body.length, open: () => tellText(body.open(), type, onBody) } };
}

function requestLines(request: HttpRequest): readonly string[] {
  const url = new URL(redactUrl(request.url));
  const fields = Object.entries(request.headers).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((one) => requestField(name, one)),
  );
  const length = request.body === undefined ? [] : [`Content-Length: ${request.body.length}`];
  return [`${request.method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`, ...fields, ...length];
}

function responseLines(response: HttpResponse): readonly string[] {
  const fields = response.headers.entries().map(([name, value]) => responseField(name, value, response.url));
  return [`HTTP/1.1 ${response.status} ${response.reason}`, ...fields];
}

function requestField(name: string, value: string): string {
  const lower = name.toLowerCase();
  if (lower.endsWith("authorization") && value.includes(" ")) return `${name}: ${value.split(" ", 1)[0]} <redacted>`;
  return `${name}: ${openFields.has(lower) ? value : "<redacted>"}`;
}

function responseField(name: string, value: string, from: URL): string {
  const lower = name.toLowerCase();
  if (secretFields.has(lower)) return `${name}: <redacted>`;
  if (lower === "location") return `${name}: ${redactLocation(value, from)}`;
  return `${name}: ${value}`;
}

/** A place in full, or on the host that names it. */
function redactLocation(value: string, from: URL): string {
  if (!URL.canParse(value, from.href)) return "<redacted>";
  const redacted = redactUrl(new URL(value, from));
  return URL.canParse(value) ? redacted : redacted.slice(new URL(redacted).origin.length);
}
