import { redactUrl } from "./errors.ts";
import type { HttpRequest, HttpResponse, HttpTransport } from "./message.ts";

/** Told of what goes over the wire; every line is safe to print. */
export interface HttpTrace {
  /** Start line and header fields of a request, one line each. */
  onRequest?(lines: readonly string[]): void;
  /** Status line and header fields of an answer, one line each. */
  onResponse?(lines: readonly string[]): void;
}

/** Fields whose value proves who is asking, or lets another ask in his name. */
const secretFields: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);

/** The same transport, telling `trace` of each request and answer. */
export function traceTransport(transport: HttpTransport, trace: HttpTrace): HttpTransport {
  return {
    async send(request, options) {
      trace.onRequest?.(requestLines(request));
      const response = await transport.send(request, options);
      trace.onResponse?.(responseLines(response));
      return response;
    },
  };
}

function requestLines(request: HttpRequest): readonly string[] {
  const url = new URL(redactUrl(request.url));
  const fields = Object.entries(request.headers).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((one) => fieldLine(name, one)),
  );
  const length = request.body === undefined ? [] : [`Content-Length: ${request.body.length}`];
  return [`${request.method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`, ...fields, ...length];
}

function responseLines(response: HttpResponse): readonly string[] {
  const fields = response.headers.entries().map(([name, value]) => fieldLine(name, value));
  return [`HTTP/1.1 ${response.status} ${response.reason}`, ...fields];
}

function fieldLine(name: string, value: string): string {
  const lower = name.toLowerCase();
  if (secretFields.has(lower)) return `${name}: ${value.split(" ", 1)[0]} <redacted>`;
  if (lower === "location" && URL.canParse(value)) return `${name}: ${redactUrl(new URL(value))}`;
  return `${name}: ${value}`;
}
