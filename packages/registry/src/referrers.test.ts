import { expect, test } from "bun:test";
import { digestOf, mediaTypes } from "@ctr/oci";
import { defaultHost } from "./hosts/host.ts";
import { openResolver } from "./resolver.ts";
import { MemoryRegistry } from "./testing/memory-registry.ts";

const { signal } = new AbortController();
const subject = digestOf(new TextEncoder().encode("an image"));
const referrer = (name: string, artifactType: string) => ({
  mediaType: mediaTypes.ociManifest,
  digest: digestOf(new TextEncoder().encode(name)),
  size: 7,
  artifactType,
});
const signature = referrer("signature", "application/x-signature");
const bill = referrer("bill", "application/x-bill");

function indexOf(...manifests: readonly object[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
}

function ask(registry: MemoryRegistry, artifactType?: string) {
  const resolver = openResolver({ hosts: async () => [defaultHost(registry.host, { plainHttp: true })] });
  const options = artifactType === undefined ? { signal } : { signal, artifactType };
  return resolver.referrers("r.example/me/app:v1", subject, options);
}

const digests = (found: readonly { readonly digest: string }[]) => found.map(({ digest }) => digest);

test("referrers() reads every page of the referrers API, and no page of another origin", async () => {
  await using registry = await MemoryRegistry.open();
  const path = `/v2/me/app/referrers/${subject}`;
  registry.fault = ({ path: asked }, response) => {
    if (!asked.startsWith(path)) return false;
    const last = asked.includes("page=2");
    const link = last ? "<http://127.0.0.1:1/v2/>" : `<${path}?page=2>`;
    response.writeHead(200, { "Content-Type": mediaTypes.ociIndex, Link: `${link}; rel="next"` });
    response.end(last ? indexOf(bill) : indexOf(signature));
    return true;
  };
  expect(digests(await ask(registry))).toEqual([signature.digest, bill.digest]);
  expect(digests(await ask(registry, bill.artifactType))).toEqual([bill.digest]);
});

test("referrers() falls back to the tag where a registry has no such API, and to none", async () => {
  await using registry = await MemoryRegistry.open();
  registry.fault = ({ path }, response) => {
    if (!path.includes("/referrers/")) return false;
    response.writeHead(404).end();
    return true;
  };
  expect(await ask(registry)).toEqual([]);
  const bytes = new TextEncoder().encode(indexOf(signature, bill));
  registry.addManifest("me/app", subject.replace(":", "-"), { bytes, mediaType: mediaTypes.ociIndex });
  expect(digests(await ask(registry, signature.artifactType))).toEqual([signature.digest]);
});

test("referrers() takes a web page for no list", async () => {
  await using registry = await MemoryRegistry.open();
  registry.fault = (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/html" }).end("<html>");
    return true;
  };
  await expect(ask(registry)).rejects.toThrow('cannot read referrers: got "text/html", expected');
});
