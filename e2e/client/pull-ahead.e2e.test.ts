import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Client } from "@ctr/client";
import { type Descriptor, hostPlatform } from "@ctr/oci";
import { openHostSource, openResolver } from "@ctr/registry";
import { type Answer, layoutAnswer, startFaultyRegistry } from "../support/faulty-registry.ts";
import { type BlobRef, type Layout, nginxLayout, readBlob } from "../support/images.ts";
import { openStage, type Stage } from "./setup.ts";

const resolver = openResolver({ hosts: openHostSource({ plainHttp: true }) });
let stage: Stage;
/** An index of several platforms. */
let layout: Layout;
let manifest: Manifest;
/** Digests of the layers, base first. */
let layers: readonly string[];

beforeAll(async () => {
  stage = await openStage("ahead");
  layout = await nginxLayout();
  manifest = await ownManifest();
  layers = manifest.layers.map(({ digest }) => digest);
  expect(layers.length).toBeGreaterThan(1);
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

interface Manifest {
  readonly mediaType: string;
  readonly config: BlobRef;
  readonly layers: readonly BlobRef[];
}

async function documentOf(digest: string) {
  return JSON.parse((await readBlob(layout, digest)).toString());
}

/** The one of the index that this machine pulls. */
async function ownManifest(): Promise<Manifest> {
  const { manifests } = await documentOf(layout.target.digest);
  const { architecture } = hostPlatform();
  return documentOf(manifests.find((one: Descriptor) => one.platform?.architecture === architecture).digest);
}

/** A registry that gives the last layer only when told, and a namespace for it. */
async function holdLast(name: string, spoil: Answer = () => undefined) {
  const client = stage.client.withNamespace(`${stage.client.namespace}-${name}`);
  const released = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const registry = await startFaultyRegistry(
    layoutAnswer(layout, "lib/nginx", "1", async (request, path) => {
      if (!path.endsWith(`/blobs/${layers.at(-1)}`)) return undefined;
      asked.resolve();
      await released.promise;
      return spoil(request, path);
    }),
  );
  const pull = (settings: { readonly signal?: AbortSignal } = {}) =>
    client.images.pull(`${registry.host}/lib/nginx:1`, { resolver, ...settings });
  return { client, registry, pull, asked: asked.promise, release: () => released.resolve() };
}

/** Resolves once the namespace has a committed snapshot. */
async function firstCommit(client: Client, signal: AbortSignal): Promise<void> {
  for await (const { topic, namespace } of client.events.subscribe([], { signal })) {
    if (topic === "/snapshot/commit" && namespace === client.namespace) return;
  }
}

async function snapshotsOf(client: Client): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of client.snapshots().walk([], { signal: new AbortController().signal })) names.push(name);
  return names;
}

test("a pull whose last layer is not to be had keeps nothing of what it unpacked", async () => {
  const { client, registry, pull, release } = await holdLast("missing", () => new Response("{}", { status: 404 }));
  await using _registry = registry;
  const committed = firstCommit(client, new AbortController().signal);
  const failed = pull().then(
    () => undefined,
    (error: unknown) => error,
  );
  await committed;
  release();
  expect(await failed).toMatchObject({ code: "not_found" });
  expect(await client.images.list()).toEqual([]);
  const { id } = await client.leases.create();
  await client.leases.delete(id, { sync: true });
  expect(await snapshotsOf(client)).toEqual([]);
});

test("a pull that is given up while the first layers are unpacked leaves no extraction snapshot", async () => {
  const { client, registry, pull, asked, release } = await holdLast("cancel");
  await using _registry = registry;
  const over = new AbortController();
  const failed = pull({ signal: over.signal }).then(
    () => undefined,
    (error: unknown) => error,
  );
  await asked;
  over.abort(new Error("given up"));
  expect(await failed).toBeInstanceOf(Error);
  release();
  expect((await snapshotsOf(client)).filter((name) => name.startsWith("extract-"))).toEqual([]);
});

// After those that need the last layer missing: containerd lends a blob that any of its namespaces has.
test("pull() unpacks the first layer while the last is still held back by the registry", async () => {
  const { client, registry, pull, release } = await holdLast("overlap");
  await using _registry = registry;
  const committed = firstCommit(client, new AbortController().signal);
  const pulling = pull();
  // Without the overlap neither of the two would ever end.
  await committed;
  release();
  const { image, chainID } = await pulling;
  expect(await client.images.isUnpacked(image.name)).toBe(true);
  expect(await snapshotsOf(client)).toContain(chainID ?? "");
  expect(await client.leases.list()).toEqual([]);
});

test("what a layer really unpacks to is checked, though it was unpacked ahead", async () => {
  const config = await documentOf(manifest.config.digest);
  config.rootfs.diff_ids[0] = `sha256:${"0".repeat(64)}`;
  const [lied, spoilt] = blobs(config);
  await using registry = await startFaultyRegistry(
    layoutAnswer(layout, "lib/nginx", "1", (request, path) => {
      const body = path.endsWith("/manifests/1") || path.endsWith(spoilt.digest) ? spoilt : lied;
      if (body === lied && !path.endsWith(lied.digest)) return undefined;
      const type = body === spoilt ? manifest.mediaType : "application/octet-stream";
      const headers = { "content-type": type, "docker-content-digest": body.digest };
      const length = { ...headers, "content-length": `${body.bytes.byteLength}` };
      return new Response(request.method === "HEAD" ? null : body.bytes, { headers: length });
    }),
  );
  const client = stage.client.withNamespace(`${stage.client.namespace}-lie`);
  await expect(client.images.pull(`${registry.host}/lib/nginx:1`, { resolver })).rejects.toMatchObject({
    code: "failed_precondition",
    what: expect.stringContaining("wrong diff id"),
  });
  expect((await snapshotsOf(client)).filter((name) => name.startsWith("extract-"))).toEqual([]);
});

/** A config, and the manifest that names it. */
function blobs(config: unknown) {
  const encode = (document: unknown) => new TextEncoder().encode(JSON.stringify(document));
  const described = (bytes: Uint8Array<ArrayBuffer>) => ({
    bytes,
    digest: `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}` as const,
  });
  const lied = described(encode(config));
  const { digest } = lied;
  const spoilt = described(
    encode({ ...manifest, config: { ...manifest.config, digest, size: lied.bytes.byteLength } }),
  );
  return [lied, spoilt] as const;
}
