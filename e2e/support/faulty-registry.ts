import { type Layout, readBlob } from "./images.ts";

/** A registry on loopback that misbehaves as told: for what Debian's cannot be made to do. */
export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  /** Paths asked for, with their Range, in order. */
  readonly requests: readonly { readonly method: string; readonly path: string; readonly range: string | null }[];
}

export type Answer = (request: Request, path: string) => Response | undefined | Promise<Response | undefined>;

/** Answers with `answer`, and with 404 where it returns nothing. */
export function startFaultyRegistry(answer: Answer): FaultyRegistry {
  const requests: { method: string; path: string; range: string | null }[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname;
      requests.push({ method: request.method, path, range: request.headers.get("range") });
      return (await answer(request, path)) ?? new Response("{}", { status: 404 });
    },
  });
  return {
    host: `127.0.0.1:${server.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
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
