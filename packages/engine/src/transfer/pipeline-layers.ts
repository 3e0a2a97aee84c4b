import { hasCode } from "@ctr/api";
import {
  checkDiffID,
  extractionFailed,
  extractionKey,
  type ImageLayer,
  type Mount,
  type SnapshotUsage,
  snapshotLabels,
  UNCOMPRESSED_LABEL,
  type UnpackOptions,
  type UnpackTarget,
  unpackLayer,
} from "@ctr/oci";
import { getBlob, setBlobLabels } from "../content/records.ts";
import type { EngineContent } from "../content/store.ts";
import type { AppliedLayer } from "../diff/apply-layer.ts";
import type { EngineDiffer } from "../diff/differ.ts";
import { completeImplied } from "../diff/implied.ts";
import {
  chainTrees,
  commitLayers,
  committedBelow,
  dropLayers,
  giveRootOwner,
  type OpenLayer,
  prepareLayers,
  type SnapshotPlaces,
} from "../snapshots/chain.ts";
import type { WriteTx } from "../store/database.ts";
import type { GroupSync } from "../store/group-sync.ts";
import type { Arrivals } from "./pipeline-arrivals.ts";
import { Flusher } from "./pipeline-flusher.ts";

/** Where layers are unpacked to, and where they come from. */
export interface LayersTarget extends UnpackTarget {
  readonly content: EngineContent;
  readonly differ: EngineDiffer;
  readonly group: GroupSync;
  /** Where the directories of the snapshots are, unless another daemon has them. */
  readonly places: SnapshotPlaces | undefined;
  readonly arrivals: Arrivals;
}

/** A snapshotter that keeps each layer in a directory of its own. */
export interface ApartTarget extends LayersTarget {
  readonly places: SnapshotPlaces;
}

/** A layer, the snapshot it is filled into, and how far that is. */
interface LayerWork {
  readonly layer: ImageLayer;
  readonly open: OpenLayer;
  /** `undefined` when it has to be unpacked anew, with the layers below at hand. */
  readonly filled: Promise<Filled | undefined>;
}

interface Filled {
  readonly implied: readonly string[];
  readonly usage: SnapshotUsage;
}

/**
 * Unpacks layers as their bytes come, on a snapshotter that keeps each in a directory of its own: none waits for the
 * one below it; they are committed in order. A failure leaves none of the snapshots that were not committed.
 */
export async function unpackApart(
  target: ApartTarget,
  layers: readonly ImageLayer[],
  options: UnpackOptions,
): Promise<void> {
  const { places } = target;
  const names = layers.map((layer) => layer.chainID);
  const there = committedBelow(places, names);
  const missing = layers.slice(there);
  if (missing.length === 0) return;
  const wanted = missing.map((layer) => ({
    key: extractionKey(layer.chainID),
    labels: snapshotLabels(layer, options),
  }));
  target.differ.expect(missing.length);
  const below = names[there - 1];
  const opened = await prepareLayers(
    places,
    { layers: wanted, ...(below === undefined ? {} : { keep: below }) },
    options,
  );
  // The first failure ends the others.
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const works = missing.flatMap((layer, at) => {
    const open = opened[at];
    return open === undefined ? [] : [{ layer, open, filled: fill(target, { layer, open }, { ...options, signal }) }];
  });
  for (const { filled } of works) filled.catch((error) => failure.abort(error));
  try {
    await using _flusher = new Flusher(target.group, places.driver.dir);
    await commitInOrder(target, works, { ...options, signal });
  } catch (error) {
    if (!failure.signal.aborted) failure.abort(error);
    await Promise.allSettled(works.map((work) => work.filled));
    dropLayers(places, opened);
    throw options.signal.aborted ? options.signal.reason : failure.signal.reason;
  }
}

/** Unpacks layers in order, on any snapshotter, each as soon as it is in the store. */
export async function unpackInOrder(
  target: LayersTarget,
  layers: readonly ImageLayer[],
  options: UnpackOptions,
): Promise<void> {
  for (const layer of layers) {
    await unlessAborted(target.arrivals.of(layer.blob.digest).stored, options.signal);
    await unpackLayer(target, layer, options);
  }
}

/** C2: unpacks one layer while it comes, and waits until its digest is proven and what it holds is on disk. */
async function fill(
  target: ApartTarget,
  { layer, open }: Pick<LayerWork, "layer" | "open">,
  options: UnpackOptions,
): Promise<Filled | undefined> {
  const { signal } = options;
  const arrival = target.arrivals.of(layer.blob.digest);
  const blob = await unlessAborted(arrival.begun, signal);
  options.onLayer?.({ kind: "extracting", layer: layer.blob, chainID: layer.chainID });
  let applied: AppliedLayer;
  try {
    applied = await target.differ.applyFile(
      blob?.fileOf(layer.blob) ?? { mediaType: layer.blob.mediaType, path: target.content.pathOf(layer.blob.digest) },
      [layer.parent === "" ? bindMount(open.tree) : upperMount(open.tree)],
      { signal, lowerLater: true, measure: true },
    );
  } catch (error) {
    // What is wrong with bytes counts only once they are the right ones.
    await unlessAborted(arrival.stored, signal);
    // The differ asks so for the layers below.
    if (arrival.restarted || hasCode(error, "failed_precondition")) return undefined;
    throw extractionFailed(layer, error);
  }
  const onDisk = target.group.wait(target.places.driver.dir);
  await unlessAborted(Promise.all([arrival.stored, onDisk]), signal);
  if (arrival.restarted) return undefined;
  checkDiffID(layer, applied.digest);
  return { implied: applied.implied, usage: applied.usage ?? { size: 0n, inodes: 0n } };
}

async function commitInOrder(target: ApartTarget, works: readonly LayerWork[], options: UnpackOptions): Promise<void> {
  const ready = new Map<LayerWork, Filled | undefined>();
  for (const work of works) {
    // A failure is told by the one who waits for this layer.
    work.filled.then((filled) => ready.set(work, filled)).catch(() => undefined);
  }
  for (let at = 0; at < works.length; ) {
    const batch: FilledWork[] = [];
    await works[at]?.filled;
    for (let work = works[at]; work !== undefined && ready.has(work); work = works[++at]) {
      const filled = ready.get(work);
      if (filled !== undefined) batch.push({ ...work, ...filled });
      else {
        await commitBatch(target, batch.splice(0), options);
        dropLayers(target.places, [work.open]);
        await unpackLayer(target, work.layer, options);
      }
    }
    await commitBatch(target, batch, options);
  }
}

type FilledWork = Pick<LayerWork, "layer" | "open"> & Filled;

/** C2: what is made of the layers here is on disk before they are committed, as what they hold is already. */
async function commitBatch(target: ApartTarget, batch: readonly FilledWork[], options: UnpackOptions): Promise<void> {
  const [first] = batch;
  if (first === undefined) return;
  const { places, group } = target;
  let lower = chainTrees(places, first.layer.parent);
  let hasChanged = false;
  for (const work of batch) {
    if (completeLayer(work, lower)) hasChanged = true;
    lower = [work.open.tree, ...lower];
  }
  if (hasChanged) await unlessAborted(group.wait(places.driver.dir), options.signal);
  const layers = batch.map(({ layer, open, usage }) => {
    const { chainID: name, parent } = layer;
    return { ...open, name, parent, usage, labels: snapshotLabels(layer, options) };
  });
  await commitLayers(places, layers, (tx) => {
    for (const { layer } of batch) labelBlob(places, tx, layer);
  });
  for (const { layer } of batch) options.onLayer?.({ kind: "extracted", layer: layer.blob, chainID: layer.chainID });
}

/** Gives a layer what it has from those below, topmost first; they are complete. False when that is nothing. */
function completeLayer({ layer, open, implied }: FilledWork, lower: readonly string[]): boolean {
  const [below] = lower;
  if (below === undefined) return false;
  const hasOwner = giveRootOwner(open.tree, below);
  if (implied.length === 0) return hasOwner;
  try {
    completeImplied(open.tree, lower, implied);
    return true;
  } catch (error) {
    throw extractionFailed(layer, error);
  }
}

function labelBlob({ store, scope }: SnapshotPlaces, tx: WriteTx, { blob, diffID }: ImageLayer): void {
  const { labels } = getBlob(tx, scope.namespace, blob.digest);
  setBlobLabels(store, tx, scope.namespace, blob.digest, { ...labels, [UNCOMPRESSED_LABEL]: diffID });
}

/** A base is unpacked into the directory itself, where whiteouts delete. */
function bindMount(source: string): Mount {
  return { type: "bind", source, target: "", options: ["rbind", "rw"] };
}

/** All others get overlayfs's whiteouts; what is below is not known yet. */
function upperMount(tree: string): Mount {
  return { type: "overlay", source: "overlay", target: "", options: [`upperdir=${tree}`] };
}

/** What `work` comes to; an abort ends the waiting for it. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
