import { expect, test } from "bun:test";
import { digestOf, mediaTypes } from "@ctr/oci";
import { defaultHost } from "./hosts/host.ts";
import { openResolver } from "./resolver.ts";
import { MemoryRegistry } from "./testing/memory-registry.ts";

const { signal } = new AbortController();
const subject = digestOf(new TextEncoder().encode("an image"));
const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(new Uint8Array()), size: 0 };

/** Pushes a manifest about the subject and returns its digest. */
async function pushAbout(registry: MemoryRegistry, artifactType: string) {
  const resolver = openResolver({ hosts: async () => [defaultHost(registry.host, { plainHttp: true })] });
  const about = { mediaType: mediaTypes.ociManifest, digest: subject, size: 8 };
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, artifactType, config: empty, layers: [] };
  const bytes = new TextEncoder().encode(JSON.stringify({ ...manifest, subject: about }));
  const digest = digestOf(bytes);
  const descriptor = { mediaType: mediaTypes.ociManifest, digest, size: BigInt(bytes.byteLength) };
  const source = async function* () {
    yield bytes;
  };
  await resolver.pusher(`r.example/me/app@${digest}`).push(descriptor, source, { signal });
  const found = await resolver.referrers("r.example/me/app:v1", subject, { signal });
  return { digest, found: found.map((one) => [one.digest, one.artifactType]) };
}

test("push() lists a manifest under its subject's tag beside those that are there", async () => {
  await using registry = await MemoryRegistry.open();
  const noApi: MemoryRegistry["fault"] = ({ path }, response) => {
    if (path.includes("/referrers/")) response.writeHead(404).end();
    return path.includes("/referrers/");
  };
  registry.fault = noApi;
  const first = await pushAbout(registry, "application/x-signature");
  expect(first.found).toEqual([[first.digest, "application/x-signature"]]);
  const second = await pushAbout(registry, "application/x-bill");
  expect(second.found).toEqual([...first.found, [second.digest, "application/x-bill"]]);
});

test("push() leaves the list to a registry that keeps it", async () => {
  await using registry = await MemoryRegistry.open();
  registry.fault = ({ method, path }, response) => {
    if (path.includes("/referrers/")) {
      response.writeHead(200, { "Content-Type": mediaTypes.ociIndex }).end('{"schemaVersion":2,"manifests":[]}');
      return true;
    }
    if (method !== "PUT") return false;
    response.writeHead(201, { "OCI-Subject": subject }).end();
    return true;
  };
  await pushAbout(registry, "application/x-signature");
  expect(registry.seen.filter(({ method }) => method === "PUT")).toHaveLength(1);
});
