import { lstatSync } from "node:fs";
import { type Digest, mediaTypes, onlyPlatform, type UnpackEvent, unpackImage } from "@ctr/oci";
import { buildImage, type TestImage } from "@ctr/oci/testing";
import { defaultHost, fetchImage, openResolver, type Resolver } from "@ctr/registry";
import { MemoryRegistry } from "@ctr/registry/testing";
import { EngineContent } from "../content/store.ts";
import { openDiffer } from "../diff/differ.ts";
import { createLease } from "../metadata/leases.ts";
import { chainTrees } from "../snapshots/chain.ts";
import { snapshotDriver } from "../snapshots/drivers.ts";
import { EngineSnapshotter } from "../snapshots/store.ts";
import type { Store } from "../store/store.ts";
import { type PipelineResult, pullThroughPipeline } from "../transfer/pipeline.ts";
import { describeTree } from "./test-layers.ts";

const amd64 = { os: "linux", architecture: "amd64" };
export const matcher = onlyPlatform(amd64);

/** A registry on loopback with one image of uncompressed layers. */
export interface TestSource extends AsyncDisposable {
  readonly registry: MemoryRegistry;
  readonly image: TestImage;
  readonly resolver: Resolver;
  readonly reference: string;
}

export async function openTestSource(layers: readonly Uint8Array[]): Promise<TestSource> {
  const registry = await MemoryRegistry.open();
  const image = buildImage(layers, amd64);
  for (const [digest, bytes] of image.blobs) {
    if (digest !== image.manifest.digest) registry.addBlob(bytes);
    else registry.addManifest("me/app", "v1", { bytes, mediaType: mediaTypes.ociManifest });
  }
  const resolver = openResolver({ hosts: async () => [defaultHost(registry.host, { plainHttp: true })] });
  const reference = `${registry.host}/me/app:v1`;
  return { registry, image, resolver, reference, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

/** A namespace's scope with a lease of its own. */
export function leasedScope(store: Store, namespace = "test") {
  const lease = store.db.write((tx) => createLease(store, tx, namespace, { id: "", labels: {}, owner: "" })).id;
  return { namespace, lease };
}

export interface TestPullOptions {
  readonly signal?: AbortSignal;
  readonly snapshotter?: string;
  readonly onLayer?: (event: UnpackEvent) => void;
}

/** Pulls by the pipeline. */
export function pullInto(store: Store, source: TestSource, options: TestPullOptions = {}): Promise<PipelineResult> {
  const { signal = new AbortController().signal, snapshotter = "overlayfs", onLayer } = options;
  const unpack = { snapshotter, matcher, ...(onLayer === undefined ? {} : { onLayer }) };
  return pullThroughPipeline({ ...source, store, scope: leasedScope(store) }, { signal, matcher, unpacks: [unpack] });
}

/** Fetches everything, then unpacks layer after layer: what the pipeline has to come to. */
export async function pullInOrder(store: Store, source: TestSource): Promise<void> {
  const scope = leasedScope(store);
  const options = { signal: new AbortController().signal, matcher };
  const content = new EngineContent(store, scope);
  const { descriptor } = await fetchImage({ ...source, content }, options);
  const differ = openDiffer({ content, pathOf: (digest) => content.pathOf(digest) });
  const snapshotter = new EngineSnapshotter(store, scope, snapshotDriver(store, "overlayfs"));
  await unpackImage({ content, differ, snapshotter }, descriptor, options);
}

/** Everything about the directories of an unpacked image, its top layer first. */
export function describeChain(store: Store, chainID: Digest): readonly Record<string, string>[] {
  const places = { store, scope: { namespace: "test", lease: undefined }, driver: snapshotDriver(store, "overlayfs") };
  return chainTrees(places, chainID).map((dir) => {
    const { mode, uid, gid } = lstatSync(dir);
    const entries = Object.entries(describeTree(dir, { directoryTimes: false }));
    // Nobody sees a whiteout's time.
    const timeless = entries.map(([path, what]) => [path, what.replace(/^(2:\S+ \S+) \d+/, "$1")] as const);
    return { ...Object.fromEntries(timeless), "": `${mode.toString(8)} ${uid}:${gid}` };
  });
}

/** What there is in one column of a table. */
export function columnOf(store: Store, sql: string): readonly string[] {
  return store.db.read((tx) => tx.all<{ readonly value: string }>(sql)).map(({ value }) => value);
}
