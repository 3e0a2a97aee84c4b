import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Layout, readBlob } from "./images.ts";

/** A request that came. */
export interface Seen {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
}

/** A registry on loopback that misbehaves as told: for what Debian's cannot be made to do. */
export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  /** In order. */
  readonly requests: readonly Seen[];
}

/** Writes its answer itself: for answers that no well-formed `Response` is. */
export type RawAnswer = (response: ServerResponse) => void;

type Answered = Response | RawAnswer | undefined;
export type Answer = (request: Request, path: string) => Answered | Promise<Answered>;

/** Answers with `answer`, and with 404 where it returns nothing. */
export async function startFaultyRegistry(answer: Answer): Promise<FaultyRegistry> {
  const requests: Seen[] = [];
  const server = createServer((incoming, response) => {
    const request = requestOf(incoming);
    const path = new URL(request.url).pathname;
    const { method, headers } = request;
    requests.push({ method, path, range: headers.get("range"), authorization: headers.get("authorization") });
    void reply(response, answer(request, path));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A listening TCP server has an address and a port.
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function requestOf(incoming: IncomingMessage): Request {
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const url = new URL(incoming.url ?? "/", "http://registry.invalid");
  const { method = "GET" } = incoming;
  // An answer that has no use for the body leaves it unread.
  const text = { [Symbol.asyncIterator]: () => incoming[Symbol.asyncIterator]() };
  return new Request(
    url.href,
    method === "GET" || method === "HEAD" ? { method, headers } : { method, headers, body: text },
  );
}

async function reply(response: ServerResponse, answering: Answered | Promise<Answered>): Promise<void> {
  const answer = (await answering) ?? new Response("{}", { status: 404 });
  if (typeof answer === "function") return answer(response);
  const body = new Uint8Array(await answer.arrayBuffer());
  const length = answer.headers.get("content-length") ?? `${body.byteLength}`;
  response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), "content-length": length });
  response.end(body);
}

/** Claims to send `bytes`, sends the first `length` of them and hangs up. */
export function cutShort(bytes: Uint8Array, length: number): RawAnswer {
  return (response) => {
    response.writeHead(200, { "content-length": bytes.byteLength });
    response.write(bytes.subarray(0, length), () => response.socket?.destroySoon());
  };
}

/** Claims to send `bytes`, sends the first `length` of them and says no more; `sent` is told then. */
export function stall(bytes: Uint8Array, length: number, sent: () => void): RawAnswer {
  return (response) => {
    response.writeHead(200, { "content-length": bytes.byteLength });
    response.write(bytes.subarray(0, length), () => sent());
  };
}

/** Serves `layout` as `name:tag` the way a registry does; `spoil` may answer a request in its place. */
export function layoutAnswer(layout: Layout, name: string, tag: string, spoil: Answer = () => undefined): Answer {
  return async (request, path) => {
    const spoilt = await spoil(request, path);
    if (spoilt) return spoilt;
    if (path === "/v2/") return new Response("{}");
    const manifest =
      path === `/v2/${name}/manifests/${tag}` ? layout.target.digest : path.split(`/v2/${name}/manifests/`)[1];
    const digest = manifest ?? path.split(`/v2/${name}/blobs/`)[1];
    if (!digest?.startsWith("sha256:")) return undefined;
    const bytes = await readBlob(layout, digest);
    const type = manifest === undefined ? "application/octet-stream" : String(JSON.parse(bytes.toString()).mediaType);
    return ranged(request, bytes, { "content-type": type, "docker-content-digest": digest });
  };
}

/** The bytes asked for by Range, or all. */
function ranged(request: Request, bytes: Buffer, headers: Record<string, string>): Response {
  const [, from] = /^bytes=(\d+)-/.exec(request.headers.get("range") ?? "") ?? [];
  if (request.method === "HEAD")
    return new Response(null, { headers: { ...headers, "content-length": `${bytes.length}` } });
  if (from === undefined) return new Response(new Uint8Array(bytes), { headers });
  const start = Number(from);
  const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  return new Response(new Uint8Array(bytes.subarray(start)), {
    status: 206,
    headers: { ...headers, "content-range": contentRange },
  });
}
