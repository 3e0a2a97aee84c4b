import { expect, test } from "bun:test";
import { type BlobWriter, type Digest, mediaTypes, onlyPlatform, refKey } from "@ctr/oci";
import { buildImage, buildIndex, MemoryContentStore } from "@ctr/oci/testing";
import type { Credentials } from "./auth/credentials.ts";
import { fixedCredentials } from "./auth/credentials.ts";
import { defaultHost } from "./hosts/host.ts";
import { fetchImage } from "./pull.ts";
import { pushImage } from "./push-image.ts";
import { openResolver, type ResolverOptions } from "./resolver.ts";
import type { Clock } from "./retry.ts";
import { MemoryRegistry, type SeenRequest } from "./testing/memory-registry.ts";

const { signal } = new AbortController();
const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };
const matcher = onlyPlatform(amd64);
const base = new Uint8Array(300_000).map((_, index) => index % 251);
const top = new TextEncoder().encode("top layer");
const image = buildImage([base, top], amd64);
const other = buildImage([new TextEncoder().encode("arm layer")], arm64);
const { index, blobs } = buildIndex([image, other]);
const [baseLayer = image.config, topLayer = image.config] = image.layers;
const baseDigest = baseLayer.digest;
const topDigest = topLayer.digest;

/** Sleeps not at all, and remembers for how long it should have. */
function fakeClock(): Clock & { readonly slept: number[]; nowMs: number } {
  const slept: number[] = [];
  return {
    slept,
    nowMs: 0,
    now() {
      return this.nowMs;
    },
    async sleep(ms) {
      slept.push(ms);
    },
  };
}

async function openFilled(): Promise<MemoryRegistry> {
  const registry = await MemoryRegistry.open();
  const manifests = new Map<Digest, string>([image, other].map((one) => [one.manifest.digest, mediaTypes.ociManifest]));
  manifests.set(index.digest, mediaTypes.ociIndex);
  for (const [digest, bytes] of blobs) {
    const mediaType = manifests.get(digest);
    if (mediaType === undefined) registry.addBlob(bytes);
    else registry.addManifest("me/app", digest === index.digest ? "v1" : digest.slice(7, 20), { bytes, mediaType });
  }
  return registry;
}

/** A resolver that goes to the registry over plain HTTP, whatever the name says. */
function resolverOf(registry: MemoryRegistry, options: ResolverOptions = {}) {
  return openResolver({
    clock: fakeClock(),
    hosts: async () => [defaultHost(registry.host, { plainHttp: true })],
    ...options,
  });
}

function pull(registry: MemoryRegistry, content: MemoryContentStore, options: ResolverOptions = {}) {
  const reference = `${registry.host}/me/app:v1`;
  return fetchImage({ resolver: resolverOf(registry, options), reference, content }, { signal, matcher });
}

const isBlob = (digest: Digest) => (request: SeenRequest) =>
  request.method === "GET" && request.path.endsWith(`/blobs/${digest}`);

test("fetchImage() fetches what the platform needs, labelled as containerd labels it", async () => {
  await using registry = await openFilled();
  const content = new MemoryContentStore();
  const resolved = await pull(registry, content);
  expect(resolved.descriptor).toEqual(index);
  expect([...content.blobs.keys()].toSorted()).toEqual(
    [index.digest, image.manifest.digest, image.config.digest, baseDigest, topDigest].toSorted(),
  );
  const source = { "containerd.io/distribution.source.127.0.0.1": "me/app" };
  expect(content.blobs.get(index.digest)?.labels).toEqual({
    ...source,
    "containerd.io/gc.ref.content.m.0": image.manifest.digest,
    "containerd.io/gc.ref.content.m.1": other.manifest.digest,
  });
  expect(content.blobs.get(image.manifest.digest)?.labels).toEqual({
    ...source,
    "containerd.io/gc.ref.content.config": image.config.digest,
    "containerd.io/gc.ref.content.l.0": baseDigest,
    "containerd.io/gc.ref.content.l.1": topDigest,
  });
});

test("fetchImage() with allMetadata fetches other platforms' manifests and configs, and no layers", async () => {
  await using registry = await openFilled();
  const content = new MemoryContentStore();
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/me/app:v1`, content };
  await fetchImage(target, { signal, matcher, allMetadata: true });
  expect(content.blobs.has(other.config.digest)).toBe(true);
  expect(content.blobs.has(other.layers[0]?.digest ?? index.digest)).toBe(false);
});

test("fetchImage() asks for no blob that is there, and notes the new source", async () => {
  await using registry = await openFilled();
  const content = new MemoryContentStore();
  content.add(base, { "containerd.io/distribution.source.127.0.0.1": "a/first,z/last" });
  await pull(registry, content);
  expect(registry.seen.filter(isBlob(baseDigest))).toEqual([]);
  expect(content.blobs.get(baseDigest)?.labels).toEqual({
    "containerd.io/distribution.source.127.0.0.1": "a/first,me/app,z/last",
  });
});

test("fetchImage() resumes an ingest of an earlier try by Range", async () => {
  await using registry = await openFilled();
  const content = new MemoryContentStore();
  content.ingests.set(refKey(baseLayer), { bytes: base.slice(0, 123_456), locked: false });
  await pull(registry, content);
  const [request, ...more] = registry.seen.filter(isBlob(baseDigest));
  expect(more).toEqual([]);
  expect(request?.headers["range"]).toBe("bytes=123456-");
  expect(content.blobs.get(baseDigest)?.bytes).toEqual(base);
});

test("fetchImage() starts over when the bytes of an earlier try were wrong", async () => {
  await using registry = await openFilled();
  const content = new MemoryContentStore();
  content.ingests.set(refKey(baseLayer), { bytes: new Uint8Array(1000), locked: false });
  await pull(registry, content);
  expect(content.blobs.get(baseDigest)?.bytes).toEqual(base);
});

test("fetchImage() goes on where a connection broke", async () => {
  await using registry = await openFilled();
  let cuts = 2;
  registry.fault = (request, response) => {
    if (!isBlob(baseDigest)(request) || cuts === 0) return false;
    cuts--;
    const from = Number(/\d+/.exec(request.headers["range"] ?? "0")?.[0]);
    response.writeHead(from > 0 ? 206 : 200, {
      "Content-Length": String(base.byteLength - from),
      "Content-Range": `bytes ${from}-${base.byteLength - 1}/${base.byteLength}`,
    });
    response.write(base.subarray(from, from + 100_000), () => response.destroy());
    return true;
  };
  const content = new MemoryContentStore();
  await pull(registry, content);
  expect(content.blobs.get(baseDigest)?.bytes).toEqual(base);
  expect(registry.seen.filter(isBlob(baseDigest)).map((request) => request.headers["range"])).toEqual([
    undefined,
    "bytes=100000-",
    "bytes=200000-",
  ]);
});

test("fetchImage() throws away the first bytes of a server that knows no Range", async () => {
  await using registry = await openFilled();
  registry.fault = (request, response) => {
    if (!isBlob(baseDigest)(request)) return false;
    response.writeHead(200, { "Content-Length": String(base.byteLength) });
    response.end(base);
    return true;
  };
  const content = new MemoryContentStore();
  content.ingests.set(refKey(baseLayer), { bytes: base.slice(0, 70_000), locked: false });
  await pull(registry, content);
  expect(content.blobs.get(baseDigest)?.bytes).toEqual(base);
});

test("fetchImage() refuses a blob of another digest, and leaves nothing to resume", async () => {
  await using registry = await openFilled();
  registry.blobs.set(topDigest, { bytes: new TextEncoder().encode("TOP layer"), mediaType: "" });
  const content = new MemoryContentStore();
  await expect(pull(registry, content)).rejects.toMatchObject({ code: "failed_precondition" });
  expect(content.ingests.has(refKey(topLayer))).toBe(false);
});

test("fetchImage() refuses a blob that does not end", async () => {
  await using registry = await openFilled();
  registry.blobs.set(topDigest, { bytes: base, mediaType: "" });
  await expect(pull(registry, new MemoryContentStore())).rejects.toThrow("sends more than the 9 bytes expected");
});

test.each([
  [429, 2, "resource_exhausted"],
  [500, 2, "unavailable"],
  [503, 2, "unavailable"],
  [403, undefined, "permission_denied"],
  [404, undefined, "not_found"],
  [401, undefined, "unauthenticated"],
])("fetchImage() meets status %p on a blob", async (status, mended, code) => {
  await using registry = await openFilled();
  let left = mended ?? Number.POSITIVE_INFINITY;
  registry.fault = (request, response) => {
    if (!isBlob(topDigest)(request) || left-- <= 0) return false;
    response.writeHead(status).end();
    return true;
  };
  if (mended !== undefined) await pull(registry, new MemoryContentStore());
  left = Number.POSITIVE_INFINITY;
  await expect(pull(registry, new MemoryContentStore())).rejects.toMatchObject({ code });
});

test("fetchImage() waits as long as Retry-After says", async () => {
  await using registry = await openFilled();
  let first = true;
  registry.fault = (request, response) => {
    if (request.method !== "HEAD" || !first) return false;
    first = false;
    response.writeHead(429, { "Retry-After": "3" }).end();
    return true;
  };
  const clock = fakeClock();
  await pull(registry, new MemoryContentStore(), { clock });
  expect(clock.slept).toEqual([3000]);
});

test("resolve() makes sure that the manifest is the one the header names", async () => {
  await using registry = await openFilled();
  registry.fault = (request, response) => {
    if (!request.path.includes("/manifests/")) return false;
    const length = request.method === "HEAD" ? {} : { "Content-Length": "2" };
    response.writeHead(200, { "Docker-Content-Digest": index.digest, "Content-Type": mediaTypes.ociIndex, ...length });
    response.end(request.method === "HEAD" ? undefined : "{}");
    return true;
  };
  await expect(pull(registry, new MemoryContentStore())).rejects.toThrow("the registry sent another manifest");
});

test.each([
  ["", "hostname required"],
  ["busybox", "object required"],
  ["a.example/x", "object required"],
  ["https://a.example/x:1", "invalid reference"],
])("resolve() refuses %p: %s", async (reference, message) => {
  await expect(openResolver().resolve(reference, { signal })).rejects.toThrow(message);
});

test("resolve() asks mirrors first, with ns, and the next host when one has nothing", async () => {
  await using mirror = await MemoryRegistry.open();
  await using registry = await openFilled();
  const hosts = async () => [mirror, registry].map((one) => defaultHost(one.host, { plainHttp: true }));
  const resolved = await openResolver({ hosts }).resolve("docker.io/me/app:v1", { signal });
  expect(resolved).toEqual({ name: "docker.io/me/app:v1", descriptor: index });
  expect(mirror.seen.map((request) => request.path)).toEqual(["/v2/me/app/manifests/v1?ns=docker.io"]);
});

const user: Credentials = { kind: "password", username: "me", password: "secret" };

/** Asks for a token that `realm` gives out; tokens run out after `perToken` requests. */
function demandToken(registry: MemoryRegistry, realm: string, perToken = Number.POSITIVE_INFINITY): void {
  let token = 0;
  let used = 0;
  registry.fault = (request, response) => {
    if (request.path.startsWith("/token")) {
      used = 0;
      response.end(JSON.stringify({ token: `token-${++token}` }));
      return true;
    }
    const fresh = request.headers["authorization"] === `Bearer token-${token}`;
    if (fresh && used++ < perToken) return false;
    const fault = request.headers["authorization"] === undefined ? "" : `,error="invalid_token"`;
    response.writeHead(401, { "WWW-Authenticate": `Bearer realm="${realm}",service="test"${fault}` }).end();
    return true;
  };
}

test("fetchImage() gets a token, and a new one when it runs out in the middle", async () => {
  await using registry = await openFilled();
  demandToken(registry, `http://${registry.host}/token`, 3);
  const content = new MemoryContentStore();
  await pull(registry, content, { credentials: fixedCredentials(user) });
  expect(content.blobs.size).toBe(5);
  const tokens = registry.seen.filter((request) => request.path.startsWith("/token"));
  expect(tokens.length).toBeGreaterThan(1);
  expect(tokens[0]).toMatchObject({ method: "POST", path: "/token" });
});

test("fetchImage() asks anonymously by GET, naming service and scope", async () => {
  await using registry = await openFilled();
  demandToken(registry, `http://${registry.host}/token`);
  await pull(registry, new MemoryContentStore());
  const [token] = registry.seen.filter((request) => request.path.startsWith("/token"));
  expect(token).toMatchObject({ method: "GET", path: "/token?service=test&scope=repository%3Ame%2Fapp%3Apull" });
  expect(token?.headers["authorization"]).toBeUndefined();
});

test("R1: a redirect to another origin takes no secret along", async () => {
  await using registry = await openFilled();
  await using elsewhere = await openFilled();
  registry.fault = (request, response) => {
    if (request.headers["authorization"] === undefined) {
      response.writeHead(401, { "WWW-Authenticate": "Basic realm=x" }).end();
    } else if (isBlob(topDigest)(request)) {
      response.writeHead(307, { Location: `http://${elsewhere.host}${request.path}` }).end();
    } else return false;
    return true;
  };
  const secret = { ...defaultHost(registry.host, { plainHttp: true }), headers: { "X-Secret": "mine" } };
  await pull(registry, new MemoryContentStore(), { credentials: fixedCredentials(user), hosts: async () => [secret] });
  expect(elsewhere.seen).toHaveLength(1);
  expect(elsewhere.seen[0]?.headers["authorization"]).toBeUndefined();
  expect(elsewhere.seen[0]?.headers["x-secret"]).toBeUndefined();
});

test("R1: a challenge from where a redirect led gets no credentials", async () => {
  await using registry = await openFilled();
  await using elsewhere = await openFilled();
  elsewhere.fault = (_request, response) => {
    response.writeHead(401, { "WWW-Authenticate": `Bearer realm="http://${elsewhere.host}/token"` }).end();
    return true;
  };
  registry.fault = (request, response) => {
    if (!isBlob(topDigest)(request)) return false;
    response.writeHead(307, { Location: `http://${elsewhere.host}${request.path}` }).end();
    return true;
  };
  const attempt = pull(registry, new MemoryContentStore(), { credentials: fixedCredentials(user) });
  await expect(attempt).rejects.toMatchObject({ code: "unauthenticated" });
  expect(elsewhere.seen.every((request) => request.headers["authorization"] === undefined)).toBe(true);
  expect(elsewhere.seen.some((request) => request.path.startsWith("/token"))).toBe(false);
});

test("a redirect that leads in a circle ends", async () => {
  await using registry = await openFilled();
  registry.fault = (request, response) => {
    response.writeHead(302, { Location: request.path }).end();
    return true;
  };
  await expect(pull(registry, new MemoryContentStore())).rejects.toThrow("stopped after 10 redirects");
});

test("a wrong password is told once, with what to do", async () => {
  await using registry = await openFilled();
  registry.fault = (_request, response) => {
    response.writeHead(401, { "WWW-Authenticate": "Basic realm=x" }).end();
    return true;
  };
  const attempt = pull(registry, new MemoryContentStore(), { credentials: fixedCredentials(user) });
  await expect(attempt).rejects.toMatchObject({ code: "unauthenticated", fix: "log in with --user name:password" });
  expect(registry.seen).toHaveLength(2);
});

test("fetchImage() ends at once when its signal does", async () => {
  await using registry = await openFilled();
  const controller = new AbortController();
  registry.fault = (request, response) => {
    if (!isBlob(baseDigest)(request)) return false;
    response.writeHead(200, { "Content-Length": String(base.byteLength) });
    response.write(base.subarray(0, 1000), () => controller.abort(new Error("enough")));
    return true;
  };
  const content = new MemoryContentStore();
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/me/app:v1`, content };
  await expect(fetchImage(target, { signal: controller.signal, matcher })).rejects.toThrow("enough");
});

/** A store whose layers are committed only when `onCommit` has ended. */
class SlowStore extends MemoryContentStore {
  readonly #onCommit: (ref: string) => Promise<void>;

  constructor(onCommit: (ref: string) => Promise<void>) {
    super();
    this.#onCommit = onCommit;
  }

  override async writer(...args: Parameters<MemoryContentStore["writer"]>): Promise<BlobWriter> {
    const [ref] = args;
    const writer = await super.writer(...args);
    if (!ref.startsWith("layer-")) return writer;
    const commit = writer.commit.bind(writer);
    return Object.assign(writer, {
      commit: async (...rest: Parameters<BlobWriter["commit"]>) => {
        await this.#onCommit(ref);
        return await commit(...rest);
      },
    });
  }
}

test("fetchImage() asks for the next layer while one waits for the disk, and ends when all are stored", async () => {
  await using registry = await openFilled();
  const asked = Promise.withResolvers<void>();
  registry.fault = (request) => {
    if (isBlob(topDigest)(request)) asked.resolve();
    return false;
  };
  const content = new SlowStore((ref) => (ref.endsWith(baseDigest) ? asked.promise : Promise.resolve()));
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/me/app:v1`, content };
  await fetchImage(target, { signal, matcher, maxConcurrentDownloads: 1 });
  expect([baseDigest, topDigest].every((digest) => content.blobs.has(digest))).toBe(true);
});

test("fetchImage() fails with what a layer's commit fails with, also when it was the last to arrive", async () => {
  await using registry = await openFilled();
  const content = new SlowStore(async () => {
    await Bun.sleep(1);
    throw new Error("no room");
  });
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/me/app:v1`, content };
  await expect(fetchImage(target, { signal, matcher })).rejects.toThrow("no room");
});

test("pushImage() sends children before parents, and nothing twice", async () => {
  await using registry = await MemoryRegistry.open();
  const content = new MemoryContentStore();
  for (const bytes of blobs.values()) content.add(bytes);
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/you/app:v2`, content };
  await pushImage(target, index, { signal });
  expect(registry.manifests.get("you/app:v2")?.bytes).toEqual(blobs.get(index.digest) ?? new Uint8Array());
  const puts = registry.seen.filter((request) => request.method === "PUT").map((request) => request.path);
  expect(puts.at(-1)).toBe("/v2/you/app/manifests/v2");
  expect(puts.findLastIndex((path) => path.includes("/blobs/"))).toBeLessThan(
    puts.findIndex((path) => path.includes("/manifests/")),
  );
  registry.seen.length = 0;
  await pushImage(target, index, { signal });
  expect(registry.seen.filter((request) => request.method !== "HEAD")).toEqual([]);
});

test("pushImage() mounts from the repository the blob came from", async () => {
  await using registry = await MemoryRegistry.open();
  const content = new MemoryContentStore();
  for (const bytes of image.blobs.values()) {
    content.add(bytes, { "containerd.io/distribution.source.127.0.0.1": "other/x,you/base" });
  }
  registry.fault = (request, response) => {
    if (!request.path.includes("mount=")) return false;
    response.writeHead(201).end();
    return true;
  };
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/you/app:v2`, content };
  await pushImage(target, image.manifest, { signal });
  const posts = registry.seen.filter((request) => request.method === "POST").map((request) => request.path);
  expect(posts).toHaveLength(3);
  for (const path of posts) expect(path).toContain("from=you%2Fbase");
});

test("pushImage() leaves layers at home that may not travel", async () => {
  await using registry = await MemoryRegistry.open();
  const content = new MemoryContentStore();
  const manifest = new TextDecoder().decode(image.blobs.get(image.manifest.digest));
  const foreign = new TextEncoder().encode(
    manifest.replace(mediaTypes.ociLayer, "application/vnd.oci.image.layer.nondistributable.v1.tar"),
  );
  for (const bytes of [...image.blobs.values(), foreign]) content.add(bytes);
  const root = { mediaType: mediaTypes.ociManifest, digest: content.add(foreign), size: BigInt(foreign.byteLength) };
  const target = { resolver: resolverOf(registry), reference: `${registry.host}/you/app:v3`, content };
  await pushImage(target, root, { signal });
  expect(registry.blobs.has(baseDigest)).toBe(false);
  expect(registry.blobs.has(topDigest)).toBe(true);
});

test("the trace shows no secret", async () => {
  await using registry = await openFilled();
  demandToken(registry, `http://${registry.host}/token`);
  const lines: string[] = [];
  const trace = {
    onRequest: (some: readonly string[]) => lines.push(...some),
    onResponse: (some: readonly string[]) => lines.push(...some),
  };
  await pull(registry, new MemoryContentStore(), { credentials: fixedCredentials(user), trace });
  expect(lines).toContain("HEAD /v2/me/app/manifests/v1 HTTP/1.1");
  expect(lines).toContain("Authorization: Bearer <redacted>");
  expect(lines.join("\n")).not.toMatch(/token-1|secret/);
});
