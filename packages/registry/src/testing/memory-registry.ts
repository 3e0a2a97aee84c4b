import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type Digest, digestOf } from "@ctr/oci";

/** What the registry was asked. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Answers in the registry's place: true when it did. */
export type Fault = (request: SeenRequest, response: ServerResponse) => boolean | Promise<boolean>;

interface Stored {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** A registry on loopback that keeps everything in memory and can be told to misbehave. Open with `MemoryRegistry.open`. */
export class MemoryRegistry implements AsyncDisposable {
  readonly blobs = new Map<Digest, Stored>();
  /** Manifests by `repository:tag` and `repository@digest`. */
  readonly manifests = new Map<string, Stored>();
  readonly seen: SeenRequest[] = [];
  /** Asked before every answer. */
  fault: Fault = () => false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<MemoryRegistry> {
    const server = process.getBuiltinModule("node:http").createServer();
    const registry = new MemoryRegistry(server);
    server.on("request", (request, response) => {
      registry.#answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  addBlob(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digest, { bytes, mediaType: "application/octet-stream" });
    return digest;
  }

  addManifest(repository: string, tag: string, document: Stored): Digest {
    const digest = digestOf(document.bytes);
    this.manifests.set(`${repository}:${tag}`, document);
    this.manifests.set(`${repository}@${digest}`, document);
    return digest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen: SeenRequest = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    };
    this.seen.push(seen);
    if (await this.fault(seen, response)) return;
    const url = new URL(seen.path, "http://registry");
    const match = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url.pathname);
    if (match === null) return send(response, 200, {});
    const [, repository = "", kind, object = ""] = match;
    const place = { repository, object: decodeURIComponent(object), url, seen };
    if (kind === "manifests") await this.#manifest(place, request, response);
    else await this.#blob(place, request, response);
  }

  async #manifest(place: Place, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { repository, object, seen } = place;
    if (seen.method === "PUT") {
      const bytes = await readAll(request);
      const mediaType = seen.headers["content-type"] ?? "";
      const digest = this.addManifest(repository, object, { bytes, mediaType });
      return send(response, 201, { "Docker-Content-Digest": digest });
    }
    const stored = this.manifests.get(`${repository}${object.includes(":") ? "@" : ":"}${object}`);
    this.#deliver(stored, place, response);
  }

  async #blob(place: Place, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { repository, object, seen, url } = place;
    if (seen.method === "POST") {
      const mount = url.searchParams.get("mount");
      const has = mount !== null && [...this.blobs.keys()].some((digest) => digest === mount);
      if (has) return send(response, 201, {});
      return send(response, 202, { Location: `/v2/${repository}/blobs/uploads/1?_state=x` });
    }
    if (seen.method === "PUT") {
      const bytes = await readAll(request);
      const digest = digestOf(bytes);
      if (digest !== url.searchParams.get("digest")) return send(response, 400, {});
      this.addBlob(bytes);
      return send(response, 201, { "Docker-Content-Digest": digest });
    }
    const found = [...this.blobs].find(([digest]) => digest === object);
    this.#deliver(found?.[1], place, response);
  }

  #deliver(stored: Stored | undefined, place: Place, response: ServerResponse): void {
    if (stored === undefined) {
      const body = JSON.stringify({ errors: [{ code: "NAME_UNKNOWN", message: "not known here" }] });
      send(response, 404, {}, place.seen.method === "HEAD" ? "" : body);
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(place.seen.headers["range"] ?? "")?.[1] ?? 0);
    const body = stored.bytes.subarray(from);
    const headers = {
      "Content-Type": stored.mediaType,
      "Content-Length": String(body.byteLength),
      "Docker-Content-Digest": digestOf(stored.bytes),
      ...(from > 0
        ? { "Content-Range": `bytes ${from}-${stored.bytes.byteLength - 1}/${stored.bytes.byteLength}` }
        : {}),
    };
    response.writeHead(from > 0 ? 206 : 200, headers);
    response.end(place.seen.method === "HEAD" ? undefined : body);
  }
}

interface Place {
  readonly repository: string;
  readonly object: string;
  readonly url: URL;
  readonly seen: SeenRequest;
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, body = ""): void {
  response.writeHead(status, { "Content-Length": String(Buffer.byteLength(body)), ...headers });
  response.end(body);
}

async function readAll(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
