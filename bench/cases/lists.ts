import { connect } from "@ctr/client";
import { digestOf } from "@ctr/oci";
import { startServe } from "../../e2e/support/engine.ts";
import { type Arena, type Contestant, contestants } from "../arena.ts";
import { type Case, quietly } from "../case.ts";

const IMAGES = 500;
const CONTAINERS = 1000;
const SNAPSHOTS = 1000;
const BLOBS = 5000;
const { signal } = new AbortController();
type Client = Awaited<ReturnType<typeof connect>>;

/** Fills a namespace through the API; the embedded engine is served for as long as that takes. */
export async function fill(
  arena: Arena,
  who: Contestant,
  namespace: string,
  make: (client: Client) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const served = who === "embedded" ? stack.use(await startServe({ root: arena.root })) : arena.daemon;
  await using client = await connect({ address: served.address, namespace });
  await using lease = await client.leases.hold();
  await make(lease.client);
}

async function putBlob(client: Client, value: object | string, labels: Readonly<Record<string, string>>) {
  const bytes = new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
  const digest = digestOf(bytes);
  await using writer = await client.content.writer(`fill-${digest}`, { signal });
  await writer.write(bytes, { signal });
  await writer.commit({ expected: digest, labels }, { signal });
  return { digest, size: bytes.byteLength };
}

async function makeImage(client: Client, at: number): Promise<void> {
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const [configType, manifestType] = ["config", "manifest"].map((kind) => `application/vnd.oci.image.${kind}.v1+json`);
  const config = { architecture, os: "linux", rootfs: { type: "layers", diff_ids: [] }, author: `${at}` };
  const made = { mediaType: configType, ...(await putBlob(client, config, {})) };
  const manifest = { schemaVersion: 2, mediaType: manifestType, config: made, layers: [] };
  const target = await putBlob(client, manifest, { "containerd.io/gc.ref.content.config": made.digest });
  await client.images.create({
    name: `docker.io/bench/image-${at}:latest`,
    target: { mediaType: manifestType ?? "", digest: target.digest, size: BigInt(target.size) },
  });
}

async function each(count: number, make: (at: number) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < count; at += 20) {
    await Promise.all(Array.from({ length: Math.min(20, count - at) }, (_, step) => make(at + step)));
  }
}

function listOf(
  name: string,
  words: readonly string[],
  goals: Case["goals"],
  make: (client: Client) => Promise<void>,
): Case {
  return {
    name,
    goals,
    rounds: 15,
    async setUp(arena) {
      for (const who of contestants) await fill(arena, who, `lists-${who}`, make);
    },
    // Another namespace than the one `command` names: what is listed is there for this case alone.
    run: (arena, who) => quietly([...arena.command(who, "-n", `lists-${who}`), ...words]),
  };
}

export const makeImages = (client: Client, count: number) => each(count, (at) => makeImage(client, at));

export const makeContainers = (client: Client, count: number) =>
  each(count, (at) =>
    client.containers.create({
      id: `container-${at}`,
      image: "docker.io/bench/image:latest",
      runtime: { name: "io.containerd.runc.v2" },
      spec: { ociVersion: "1.1.0" },
    }),
  );

export const makeSnapshots = (client: Client, count: number) =>
  each(count, (at) =>
    client.snapshots().prepare(`snapshot-${at}`, "", { signal, labels: { "containerd.io/gc.root": "bench" } }),
  );

const makeBlobs = (client: Client, count: number) =>
  each(count, (at) => putBlob(client, `blob ${at}`, { "containerd.io/gc.root": "bench" }));

const onList = { embedded: 0.6, ours: 1 };
export const lists: readonly Case[] = [
  listOf(`\`images ls\`, ${IMAGES} images`, ["images", "ls"], { embedded: 0.1, ours: 0.5 }, (client) =>
    makeImages(client, IMAGES),
  ),
  listOf(`\`containers ls\`, ${CONTAINERS}`, ["containers", "ls"], onList, (client) =>
    makeContainers(client, CONTAINERS),
  ),
  listOf(`\`snapshots ls\`, ${SNAPSHOTS}`, ["snapshots", "ls"], onList, (client) => makeSnapshots(client, SNAPSHOTS)),
  listOf(`\`content ls\`, ${BLOBS} blobs`, ["content", "ls"], onList, (client) => makeBlobs(client, BLOBS)),
];
