import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerdError, contentV1, introspectionV1, namespacesV1, toStatus, versionV1 } from "@ctr/api";
import { type H2cServer, registerService, type ServiceImpl, serveH2c } from "@ctr/rpc";
import { goCtr } from "../support/binaries.ts";
import { mustRun, run } from "../support/process.ts";

const BLOB_BYTES = 200 * 1024 * 1024;
const { signal } = new AbortController();
let dir: string;
let server: H2cServer;
let address: string;
const blobs = new Map<string, Uint8Array>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ctr-rpc-go-"));
  address = join(dir, "s.sock");
  const services = [
    registerService(versionV1.VersionDefinition, { version: async () => ({ version: "0.0.1", revision: "ours" }) }),
    registerService(introspectionV1.IntrospectionDefinition, {
      plugins: unused,
      server: async () => ({ uuid: "00000000-0000-4000-8000-000000000000" }),
      pluginInfo: unused,
    }),
    registerService(namespacesV1.NamespacesDefinition, namespaces),
    registerService(contentV1.ContentDefinition, content),
  ];
  server = await serveH2c({ path: address, services, toStatus, signal });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

function unused(): never {
  throw new ContainerdError({ code: "unimplemented", what: "not part of this test" });
}

const namespaces: ServiceImpl<typeof namespacesV1.NamespacesDefinition> = {
  list: async () => ({
    namespaces: Array.from({ length: 3000 }, (_, i) => ({ name: `ns-${i}`, labels: { n: `${i}` } })),
  }),
  get: async ({ name }) => {
    throw new ContainerdError({ code: "not_found", what: `namespace "${name}"` });
  },
  create: async ({ namespace }) => {
    throw new ContainerdError({ code: "already_exists", what: `namespace "${namespace?.name}" 100%` });
  },
  update: unused,
  delete: unused,
};

/** Just enough of a content store, in memory, for `content ingest` and `content get`. */
const content: ServiceImpl<typeof contentV1.ContentDefinition> = {
  async info({ digest }) {
    return { info: { digest, size: BigInt(blobOf(digest).byteLength) } };
  },
  async *read({ digest, offset, size }) {
    const blob = blobOf(digest);
    const end = size > 0n ? Number(offset + size) : blob.byteLength;
    for (let at = Number(offset); at < end; at += 1 << 20) {
      yield { offset: BigInt(at), data: blob.subarray(at, Math.min(end, at + (1 << 20))) };
    }
  },
  async *write(requests) {
    const hash = createHash("sha256");
    const parts: Uint8Array[] = [];
    let offset = 0n;
    for await (const request of requests) {
      const { action, data } = request;
      if (action !== contentV1.WriteAction.STAT) {
        expect(request.offset).toBe(offset);
        hash.update(data);
        parts.push(data);
        offset += BigInt(data.byteLength);
      }
      let digest = "";
      if (action === contentV1.WriteAction.COMMIT) {
        digest = `sha256:${hash.copy().digest("hex")}`;
        blobs.set(digest, Buffer.concat(parts));
      }
      yield { action, offset, total: request.total, digest, startedAt: {}, updatedAt: {} };
    }
  },
  update: unused,
  list: unused,
  delete: unused,
  status: unused,
  listStatuses: unused,
  abort: unused,
};

function blobOf(digest: string): Uint8Array {
  const blob = blobs.get(digest);
  if (!blob) throw new ContainerdError({ code: "not_found", what: `content digest ${digest}` });
  return blob;
}

test("the Go ctr reads our version", async () => {
  expect(await mustRun([goCtr, "--address", address, "version"])).toContain("Revision: ours");
});

test("the Go ctr reads a response of many frames", async () => {
  const names = (await mustRun([goCtr, "--address", address, "namespaces", "ls", "-q"])).trim().split("\n");
  expect(names).toHaveLength(3000);
  expect(names.at(-1)).toBe("ns-2999");
});

test("the Go ctr prints our errors with their class", async () => {
  const { code, stderr } = await run([goCtr, "--address", address, "namespaces", "create", "twice"]);
  expect(code).toBe(1);
  expect(stderr).toBe('ctr: namespace "twice" 100%: already exists\n');
});

test("the Go ctr ingests 200 MB into our server and gets them back", async () => {
  const file = join(dir, "blob");
  const digest = await writeBlob(file);
  const ingest = [
    "sh",
    "-c",
    `exec ${goCtr} --address ${address} content ingest --expected-digest ${digest} --expected-size ${BLOB_BYTES} r1 < ${file}`,
  ];
  await mustRun(ingest, { timeoutMs: 60_000 });
  expect([...blobs.keys()]).toEqual([digest]);
  const got = await mustRun(["sh", "-c", `${goCtr} --address ${address} content get ${digest} | sha256sum`]);
  expect(`sha256:${got.split(" ")[0]}`).toBe(digest);
}, 120_000);

test("the Go ctr that leaves in the middle of a stream costs the server nothing", async () => {
  const [digest] = blobs.keys();
  const got = await mustRun(["sh", "-c", `${goCtr} --address ${address} content get ${digest} | head -c 10 | wc -c`]);
  expect(got.trim()).toBe("10");
  expect(await mustRun([goCtr, "--address", address, "version"])).toContain("Revision: ours");
});

async function writeBlob(path: string): Promise<string> {
  const file = await open(path, "w");
  const chunk = crypto.getRandomValues(new Uint8Array(65_536));
  for (let at = 0; at < BLOB_BYTES; at += chunk.byteLength) {
    new DataView(chunk.buffer).setUint32(0, at);
    await file.write(chunk);
  }
  await file.close();
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part);
  return `sha256:${hash.digest("hex")}`;
}
