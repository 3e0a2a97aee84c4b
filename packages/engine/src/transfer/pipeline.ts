import { hasCode } from "@ctr/api";
import {
  type Descriptor,
  filterPlatforms,
  isIndexType,
  type Labels,
  type PlatformMatcher,
  readChildren,
  type UnpackEvent,
  type Unpacked,
  type UnpackOptions,
  unpackImage,
  walkGraph,
} from "@ctr/oci";
import { type FetchImageOptions, fetchImage, type Resolved, type Resolver } from "@ctr/registry";
import { EngineContent } from "../content/store.ts";
import { openDiffer, syncInWorker } from "../diff/differ.ts";
import type { Scope } from "../scope.ts";
import { findDriver } from "../snapshots/drivers.ts";
import { openSnapshotter } from "../snapshots/snapshotters.ts";
import { GroupSync } from "../store/group-sync.ts";
import type { Store } from "../store/store.ts";
import { Arrivals } from "./pipeline-arrivals.ts";
import { watchContent } from "./pipeline-content.ts";
import type { LayersTarget } from "./pipeline-layers.ts";
import { EarlyUnpacking } from "./pipeline-unpacking.ts";

/** What is pulled, and where to. */
export interface PipelineTarget {
  readonly store: Store;
  /** Its lease keeps what the pull makes until the caller has made the image's record. */
  readonly scope: Scope;
  readonly resolver: Resolver;
  readonly reference: string;
}

/** One unpacking of what is pulled. */
export interface PipelineUnpack {
  readonly snapshotter: string;
  /** The manifest that fits best is unpacked. */
  readonly matcher: PlatformMatcher;
  /** Labels for every snapshot. */
  readonly snapshotLabels?: Labels;
  readonly onLayer?: (event: UnpackEvent) => void;
}

export interface PipelineOptions extends Omit<FetchImageOptions, "onDocument"> {
  /** None leaves the layers packed. */
  readonly unpacks?: readonly PipelineUnpack[];
}

export interface PipelineResult {
  readonly resolved: Resolved;
  /** In the order of `unpacks`. */
  readonly unpacked: readonly Unpacked[];
}

/** Blobs at once where nobody says how many: enough to hide a registry's latency, few enough to be polite. */
const DEFAULT_DOWNLOADS = 8;

/**
 * Fetches an image and unpacks it meanwhile: every layer from the first of its bytes on, none waiting for another.
 * Nothing is committed before digest and diff ID are proven, and all of it is on disk at the end. Errors are those of `fetchImage` and `unpackImage`; the
 * first failure ends everything else, leaves no extraction snapshot and keeps the ingests, so that a later pull resumes.
 */
export async function pullThroughPipeline(target: PipelineTarget, options: PipelineOptions): Promise<PipelineResult> {
  const group = openGroup();
  const content = new EngineContent(target.store, target.scope, group);
  const { unpacks = [], ...fetching } = options;
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  using arrivals = new Arrivals();
  const jobs = await Promise.all(
    unpacks.map((unpack) => openJob({ ...target, content, group, arrivals }, unpack, signal)),
  );
  const fetchOptions: FetchImageOptions = {
    ...fetching,
    signal,
    maxConcurrentDownloads: options.maxConcurrentDownloads || DEFAULT_DOWNLOADS,
    onProgress: (event) => {
      if (event.kind === "done" || event.kind === "exists") arrivals.store(event.descriptor.digest);
      options.onProgress?.(event);
    },
    onDocument: async (document, children) => {
      for (const { early } of jobs) await early.onDocument(document, children, (error) => failure.abort(error));
    },
  };
  try {
    const watched = watchContent(content, (digest, blob) => arrivals.begin(digest, blob));
    const resolved = await fetchImage({ ...target, content: watched }, fetchOptions);
    arrivals.finish();
    const unpacked: Unpacked[] = [];
    for (const job of jobs) unpacked.push(await finishJob(job, resolved.descriptor));
    await target.store.db.sync();
    return { resolved, unpacked };
  } catch (error) {
    failure.abort(error);
    arrivals.fail(error);
    // What was begun lets go of its trees first; it tells nothing new.
    await Promise.allSettled(jobs.map(({ early }) => early.finish()));
    throw error;
  }
}

/** Unpacks an image that is in the store, its layers side by side where the snapshotter can; as `unpackImage`. */
export async function unpackStored(
  from: Pick<PipelineTarget, "store" | "scope">,
  image: Descriptor,
  { signal, ...unpack }: PipelineUnpack & { readonly signal: AbortSignal },
): Promise<Unpacked> {
  const group = openGroup();
  const content = new EngineContent(from.store, from.scope, group);
  const failure = new AbortController();
  using arrivals = new Arrivals();
  arrivals.finish();
  const job = await openJob({ ...from, content, group, arrivals }, unpack, AbortSignal.any([signal, failure.signal]));
  try {
    const tell = async (document: Descriptor) => {
      const children = await readChildren(content, document, { signal });
      await job.early.onDocument(document, children, (error) => failure.abort(error));
      return isIndexType(document.mediaType) ? filterPlatforms(children, unpack.matcher) : [];
    };
    await walkGraph(image, tell).catch((error: unknown) => {
      // What is missing of it is `unpackImage`'s to tell.
      if (!hasCode(error, "not_found")) throw error;
    });
    const unpacked = await finishJob(job, image);
    await from.store.db.sync();
    return unpacked;
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled([job.early.finish()]);
    throw error;
  }
}

/** Blobs and layers of one pull wait for the disk together; an aborted one waits for what has begun. */
function openGroup(): GroupSync {
  return new GroupSync((dir) => syncInWorker(dir));
}

/** One unpacking: what of it goes along with the fetch, and what is needed to end it. */
interface Job {
  readonly early: EarlyUnpacking;
  readonly target: LayersTarget;
  readonly options: UnpackOptions;
}

type JobSource = Pick<PipelineTarget, "store" | "scope"> & Pick<LayersTarget, "content" | "group" | "arrivals">;

async function openJob(from: JobSource, unpack: PipelineUnpack, signal: AbortSignal): Promise<Job> {
  const { store, scope, content, group, arrivals } = from;
  const { snapshotter: name, ...rest } = unpack;
  const driver = findDriver(store, name);
  const differ = openDiffer({ content, pathOf: (digest) => content.pathOf(digest) });
  const snapshotter = await openSnapshotter(store, scope, name);
  const places = driver === undefined ? undefined : { store, scope, driver };
  const target = { content, differ, group, snapshotter, arrivals, places };
  const options = { ...rest, signal };
  return { early: new EarlyUnpacking(target, options), target, options };
}

/** `unpackImage` finds done what was done early, does the rest, and ties the image to its snapshots. */
async function finishJob({ early, target, options }: Job, image: Descriptor): Promise<Unpacked> {
  await early.finish();
  let applied = false;
  const onLayer = (event: UnpackEvent) => {
    applied ||= early.hasApplied(event.chainID);
    if (!early.hasApplied(event.chainID)) options.onLayer?.(event);
  };
  const unpacked = await unpackImage(target, image, { ...options, onLayer });
  return { ...unpacked, applied: unpacked.applied || applied };
}
