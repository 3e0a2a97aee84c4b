import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import { type BlobWriter, type Digest, onlyPlatform, type WriterOptions } from "@ctr/oci";
import { buildImage, buildIndex, MemoryContentStore } from "@ctr/oci/testing";
import { fetchImage, fixedCredentials, openHostSource, openResolver, pushImage, type Resolver } from "@ctr/registry";
import { mustRun } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";

const { signal } = new AbortController();
const amd64 = { os: "linux", architecture: "amd64" };
const matcher = onlyPlatform(amd64);
/** Large enough that a registry cannot have sent all of it before it is killed. */
const big = new Uint8Array(48 * 1024 * 1024).map((_, index) => (index * 31 + (index >> 16)) & 0xff);
const image = buildImage([new TextEncoder().encode("base"), big], amd64);
const other = buildImage([new TextEncoder().encode("arm")], { os: "linux", architecture: "arm64" });
const { index, blobs } = buildIndex([image, other]);

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-e2e-registry-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function filledStore(): MemoryContentStore {
  const store = new MemoryContentStore();
  for (const bytes of blobs.values()) store.add(bytes);
  return store;
}

const push = (resolver: Resolver, reference: string) =>
  pushImage({ resolver, reference, content: filledStore() }, index, { signal });
const pull = (resolver: Resolver, reference: string, content = new MemoryContentStore()) =>
  fetchImage({ resolver, reference, content }, { signal, matcher });

function expectWhole(content: MemoryContentStore): void {
  const wanted = [index.digest, ...image.blobs.keys()].toSorted();
  expect([...content.blobs.keys()].toSorted()).toEqual(wanted);
}

test("an image goes to docker-registry and comes back, and skopeo reads it", async () => {
  await using registry = await startRegistry();
  const reference = `${registry.host}/lib/app:v1`;
  await push(openResolver(), reference);
  const content = new MemoryContentStore();
  expect((await pull(openResolver(), reference, content)).descriptor).toEqual(index);
  expectWhole(content);
  await mustRun([
    "skopeo",
    "copy",
    "--src-tls-verify=false",
    "--override-arch=amd64",
    "--preserve-digests",
    `docker://${reference}`,
    `oci:${dir}/copy`,
  ]);
  const copied = JSON.parse(await readFile(`${dir}/copy/index.json`, "utf8"));
  expect(copied.manifests[0].digest).toBe(image.manifest.digest);
});

test("what is asked for and is not there is not found", async () => {
  await using registry = await startRegistry();
  const attempt = openResolver().resolve(`${registry.host}/lib/nosuch:v1`, { signal });
  await expect(attempt).rejects.toMatchObject({
    code: "not_found",
    message: `${registry.host}/lib/nosuch:v1: not found`,
  });
});

test("a registry with passwords takes the right one only", async () => {
  const passwords = await mustRun(["htpasswd", "-Bbn", "me", "se:cret"]);
  await writeFile(join(dir, "htpasswd"), passwords);
  await using registry = await startRegistry({
    extra: `auth:\n  htpasswd:\n    realm: test\n    path: ${dir}/htpasswd\n`,
  });
  const reference = `${registry.host}/lib/app:v1`;
  const as = (password: string) =>
    openResolver({ credentials: fixedCredentials({ kind: "password", username: "me", password }) });
  await push(as("se:cret"), reference);
  const content = new MemoryContentStore();
  await pull(as("se:cret"), reference, content);
  expectWhole(content);
  await expect(pull(as("wrong"), reference)).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(pull(openResolver(), reference)).rejects.toMatchObject({ fix: "log in with --user name:password" });
});

test("a registry with a CA of its own is found through hosts.toml", async () => {
  await mustRun([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    `${dir}/key.pem`,
    "-out",
    `${dir}/cert.pem`,
    "-days",
    "2",
    "-subj",
    "/CN=registry",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
  ]);
  await using registry = await startRegistry({
    http: `  tls:\n    certificate: ${dir}/cert.pem\n    key: ${dir}/key.pem\n`,
  });
  const hostDir = join(dir, "hosts", "registry.example");
  await mustRun(["mkdir", "-p", hostDir]);
  const toml = (ca: string) => writeFile(join(hostDir, "hosts.toml"), `server = "https://${registry.host}"\n${ca}`);
  const resolver = () => openResolver({ hosts: openHostSource({ hostsDir: join(dir, "hosts") }) });
  await toml(`ca = "${dir}/cert.pem"\n`);
  await push(resolver(), "registry.example/lib/app:v1");
  const content = new MemoryContentStore();
  await pull(resolver(), "registry.example/lib/app:v1", content);
  expectWhole(content);
  await toml("");
  await expect(pull(resolver(), "registry.example/lib/app:v1")).rejects.toThrow(
    "x509: certificate signed by unknown authority",
  );
});

/** Calls back once so many bytes of one blob have been written. */
class WatchedStore extends MemoryContentStore {
  readonly #watch: { readonly digest: Digest; readonly bytes: number; readonly reached: () => Promise<void> };
  constructor(watch: { readonly digest: Digest; readonly bytes: number; readonly reached: () => Promise<void> }) {
    super();
    this.#watch = watch;
  }
  override async writer(ref: string, options: WriterOptions): Promise<BlobWriter> {
    const writer = await super.writer(ref, options);
    if (options.expected !== this.#watch.digest) return writer;
    let called = false;
    const write = writer.write.bind(writer);
    writer.write = async (chunk, cancel) => {
      await write(chunk, cancel);
      if (called || writer.offset < BigInt(this.#watch.bytes)) return;
      called = true;
      await this.#watch.reached();
    };
    return writer;
  }
}

test("a pull outlives its registry's death and return, fetching no byte twice", async () => {
  await using registry = await startRegistry();
  const reference = `${registry.host}/lib/app:v1`;
  await push(openResolver(), reference);
  const digest = image.layers[1]?.digest ?? index.digest;
  const content = new WatchedStore({
    digest,
    bytes: 4 * 1024 * 1024,
    async reached() {
      await registry.kill("SIGKILL");
      await registry.restart();
    },
  });
  await pull(openResolver(), reference, content);
  expectWhole(content);
  const size = [...content.blobs.values()].reduce((sum, blob) => sum + blob.bytes.byteLength, 0);
  expect(content.written).toBe(size);
});

test("a second pull goes on where the first one was broken off", async () => {
  await using registry = await startRegistry();
  const reference = `${registry.host}/lib/app:v1`;
  await push(openResolver(), reference);
  const digest = image.layers[1]?.digest ?? index.digest;
  const controller = new AbortController();
  const content = new WatchedStore({
    digest,
    bytes: 4 * 1024 * 1024,
    async reached() {
      controller.abort(new ContainerdError({ code: "cancelled", what: "Ctrl-C" }));
    },
  });
  const target = { resolver: openResolver(), reference, content };
  await expect(fetchImage(target, { signal: controller.signal, matcher })).rejects.toThrow("Ctrl-C");
  await pull(openResolver(), reference, content);
  expectWhole(content);
  const size = [...content.blobs.values()].reduce((sum, blob) => sum + blob.bytes.byteLength, 0);
  expect(content.written).toBe(size);
});
