import { ContainerdError, hasCode } from "@ctr/api";
import {
  type BlobWriter,
  type ChildLabel,
  type ContentStore,
  type Descriptor,
  defaultPlatforms,
  descriptorKind,
  dispatchGraph,
  filterPlatforms,
  gcReferences,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  type Labels,
  limitManifests,
  openWriter,
  type PlatformMatcher,
  parseReference,
  readChildren,
  refKey,
  type Timestamp,
} from "@ctr/oci";
import { distributionSource, mergeSource } from "./distribution-source.ts";
import type { OnTransfer } from "./progress.ts";
import type { Fetcher, Resolved, Resolver } from "./resolver.ts";
import { Turns } from "./turns.ts";

export interface FetchImageOptions {
  readonly signal: AbortSignal;
  /** Which manifests of an index are wanted. Default: what runs on this machine. */
  readonly matcher?: PlatformMatcher;
  /** How many of those, best first; 0 (default, as `images pull`) takes all. With a limit, none is `not_found`. */
  readonly manifestLimit?: number;
  /** Fetch manifests and configs of other platforms too. */
  readonly allMetadata?: boolean;
  /** Blobs at once; 0 (default) any number. */
  readonly maxConcurrentDownloads?: number;
  /** GC label of a child; default containerd's. */
  readonly childLabel?: ChildLabel;
  readonly onProgress?: OnTransfer;
  /**
   * Where bytes come faster than the store takes them, those of earlier blobs go first, so that they are whole early.
   * Without it all blobs grow alike.
   */
  readonly inOrder?: boolean;
  /**
   * Told of each manifest and index that is stored, with those of its children that are wanted; of a manifest once its
   * config is stored as well. What it returns is awaited before the rest is fetched; what it throws ends the fetch.
   */
  readonly onDocument?: (document: Descriptor, children: readonly Descriptor[]) => Promise<void>;
}

export interface FetchImageTarget {
  readonly resolver: Resolver;
  readonly reference: string;
  readonly content: ContentStore;
}

/** One fetch of one graph. */
interface Job {
  readonly fetcher: Fetcher;
  readonly content: ContentStore;
  readonly source: { readonly label: string; readonly repository: string };
  readonly matcher: PlatformMatcher;
  readonly options: FetchImageOptions;
  readonly report: OnTransfer;
  readonly signal: AbortSignal;
  readonly startedMs: number;
  /** Ref of what names a descriptor, by the descriptor's digest. */
  readonly parents: Map<string, string>;
  /** Fetches under way or over, by ref: a layer named twice is fetched once. */
  readonly fetches: Map<string, Fetch>;
  readonly turns: Turns;
}

/** Writes to the store at once, in order: while it takes one in, the next is on its way. */
const WRITES_IN_ORDER = 2;

/** One blob on its way. */
interface Fetch {
  /** The registry has nothing more to send of it. */
  readonly arrived: Promise<void>;
  readonly stored: Promise<void>;
}

/** Layers on their way at once, those among them that have arrived and wait for the disk; each is an open file. */
const MAX_STORING = 32;

/**
 * Fetches what a reference names into a content store, siblings at the same time: each blob under containerd's ref,
 * resumed where an earlier try stopped, never fetched when it is there, labelled with where it came from; parents
 * labelled with what they refer to. The caller holds the lease and makes the image record.
 */
export async function fetchImage(target: FetchImageTarget, options: FetchImageOptions): Promise<Resolved> {
  const report: OnTransfer = options.onProgress ?? (() => undefined);
  report({ kind: "resolving", reference: target.reference });
  const resolved = await target.resolver.resolve(target.reference, options);
  report({ kind: "resolved", reference: target.reference, descriptor: resolved.descriptor });
  if (isSchema1Type(resolved.descriptor.mediaType)) throw notSupported(resolved.descriptor);
  await fetchGraph(target, resolved.descriptor, { ...options, onProgress: report });
  return resolved;
}

/** The same for a descriptor that is known already. */
export async function fetchGraph(
  target: FetchImageTarget,
  descriptor: Descriptor,
  options: FetchImageOptions,
): Promise<void> {
  // The first failure ends every fetch of this graph, and no other.
  const failure = new AbortController();
  const job: Job = {
    fetcher: target.resolver.fetcher(target.reference),
    content: target.content,
    source: distributionSource(parseReference(target.reference)),
    matcher: options.matcher ?? defaultPlatforms(),
    options,
    report: options.onProgress ?? (() => undefined),
    signal: AbortSignal.any([options.signal, failure.signal]),
    startedMs: Date.now(),
    parents: new Map(),
    fetches: new Map(),
    turns: new Turns(options.inOrder ? WRITES_IN_ORDER : Number.POSITIVE_INFINITY),
  };
  const endOthers = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (!failure.signal.aborted) failure.abort(error);
      // A sibling's abort is told as what caused it.
      throw options.signal.aborted ? options.signal.reason : failure.signal.reason;
    }
  };
  const storing = new Set<Promise<void>>();
  const visit = async (one: Descriptor) => {
    if (!isLayerType(one.mediaType)) return await endOthers(visitBlob(job, one));
    failure.signal.throwIfAborted();
    const { arrived, stored } = fetchOnce(job, one, refKey(one));
    const ended = endOthers(stored);
    storing.add(ended);
    ended.then(() => storing.delete(ended)).catch(() => undefined);
    await (storing.size <= MAX_STORING ? Promise.race([arrived, ended]) : ended);
    return [];
  };
  job.report({ kind: "waiting", ref: refKey(descriptor), descriptor, parent: undefined });
  const dispatched = dispatchGraph(descriptor, visit, options.maxConcurrentDownloads ?? 0);
  await dispatched.catch(() => undefined);
  const results = await Promise.allSettled([dispatched, ...storing]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function visitBlob(job: Job, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  if (isSchema1Type(descriptor.mediaType)) throw notSupported(descriptor);
  const ref = refKey(descriptor);
  await fetchOnce(job, descriptor, ref).stored;
  const all = await readChildren(job.content, descriptor, { signal: job.signal });
  const references = gcReferences(all, ...(job.options.childLabel === undefined ? [] : [job.options.childLabel]));
  if (Object.keys(references).length > 0) {
    await job.content.setLabels(descriptor.digest, references, { signal: job.signal });
  }
  const children = chooseChildren(job, descriptor, all);
  for (const child of children) announce(job, child, ref);
  if (children.length > 0) await tellDocument(job, descriptor, children);
  return children;
}

async function tellDocument(job: Job, document: Descriptor, children: readonly Descriptor[]): Promise<void> {
  const { onDocument } = job.options;
  if (onDocument === undefined) return;
  if (isManifestType(document.mediaType)) {
    await Promise.all(
      children
        .filter((child) => descriptorKind(child.mediaType) === "config")
        .map((config) => fetchOnce(job, config, refKey(config)).stored),
    );
  }
  await onDocument(document, children);
}

function fetchOnce(job: Job, descriptor: Descriptor, ref: string): Fetch {
  const fetch = job.fetches.get(ref) ?? beginFetch(job, descriptor, ref);
  job.fetches.set(ref, fetch);
  return fetch;
}

function beginFetch(job: Job, descriptor: Descriptor, ref: string): Fetch {
  let onArrival: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    onArrival = resolve;
  });
  return { arrived, stored: fetchOne(job, { descriptor, ref, rank: job.fetches.size, onArrival }) };
}

function announce(job: Job, child: Descriptor, parent: string): void {
  const ref = refKey(child);
  if (job.parents.has(ref)) return;
  job.parents.set(ref, parent);
  job.report({ kind: "waiting", ref, descriptor: child, parent });
}

function chooseChildren(job: Job, parent: Descriptor, children: readonly Descriptor[]): readonly Descriptor[] {
  const { allMetadata = false, manifestLimit = 0 } = job.options;
  if (isIndexType(parent.mediaType)) {
    if (allMetadata) return children;
    if (manifestLimit > 0) return limitManifests(parent, children, { matcher: job.matcher, limit: manifestLimit });
    return filterPlatforms(children, job.matcher);
  }
  // Of other platforms, metadata is all that is wanted.
  const foreign = parent.platform !== undefined && !job.matcher.matches(parent.platform);
  return allMetadata && foreign ? children.filter((child) => !isLayerType(child.mediaType)) : children;
}

interface BlobFetch {
  readonly descriptor: Descriptor;
  readonly ref: string;
  /** Its place among the blobs of the fetch. */
  readonly rank: number;
  readonly onArrival: () => void;
}

/** One blob, from wherever its bytes end in the store. */
async function fetchOne(job: Job, blob: BlobFetch): Promise<void> {
  const { descriptor, ref } = blob;
  checkSize(descriptor);
  for (let attempt = 1; ; attempt++) {
    try {
      const fetched = await fetchInto(job, blob);
      const old = !fetched && (await addSource(job, descriptor));
      job.report({ kind: old ? "exists" : "done", ref, descriptor });
      return;
    } catch (error) {
      const resumed = error instanceof WrongBytes && error.resumedFrom > 0n;
      if (!(error instanceof WrongBytes)) throw error;
      // Kept, the bad bytes would be resumed by every later try.
      await job.content.abort(ref, { signal: job.signal }).catch(() => undefined);
      if (!resumed || attempt > 1) throw error.error;
    }
  }
}

/** The commit refused the bytes; which of them were there before decides whether one more try makes sense. */
class WrongBytes extends Error {
  readonly error: ContainerdError;
  readonly resumedFrom: bigint;

  constructor(error: ContainerdError, resumedFrom: bigint) {
    super(error.message, { cause: error });
    this.error = error;
    this.resumedFrom = resumedFrom;
  }
}

/** False when the store has the blob. */
async function fetchInto(job: Job, blob: BlobFetch): Promise<boolean> {
  const { descriptor, ref } = blob;
  const { signal } = job;
  try {
    await using writer = await openWriter(job.content, ref, {
      signal,
      expected: descriptor.digest,
      size: descriptor.size,
    });
    await copy(job, { ...blob, writer });
    return true;
  } catch (error) {
    if (hasCode(error, "already_exists")) return false;
    throw error;
  }
}

async function copy(job: Job, blob: BlobFetch & { readonly writer: BlobWriter }): Promise<void> {
  const { descriptor, ref, rank, writer, onArrival } = blob;
  const { signal } = job;
  if (writer.offset > descriptor.size) await writer.truncate(0n, { signal });
  const from = writer.offset;
  let offset = from;
  job.report({ kind: "transferring", ref, descriptor, offset });
  // A blob whose turn it is has all turns: while the store takes in one chunk, the next is on its way to it.
  const writesAhead = job.options.inOrder === true;
  let last = Promise.resolve();
  for await (const chunk of job.fetcher.fetch(descriptor, { signal, offset })) {
    const turn = await job.turns.take(rank);
    const writing = writer.write(chunk, { signal }).finally(() => turn[Symbol.dispose]());
    // Told when it is waited for.
    writing.catch(() => undefined);
    await (writesAhead ? last : writing);
    last = writing;
    offset += BigInt(chunk.byteLength);
    job.report({ kind: "transferring", ref, descriptor, offset });
  }
  await last;
  onArrival();
  job.report({ kind: "committing", ref, descriptor });
  try {
    const labels: Labels = { [job.source.label]: job.source.repository };
    await writer.commit({ expected: descriptor.digest, size: descriptor.size, labels }, { signal });
  } catch (error) {
    if (hasCode(error, "failed_precondition")) throw new WrongBytes(error, from);
    throw error;
  }
}

/**
 * Notes on a blob that was there that this repository has it, too. True when it is older than this fetch: a store that
 * shares bytes between namespaces may have made it this namespace's only now.
 */
async function addSource(job: Job, descriptor: Descriptor): Promise<boolean> {
  const { label, repository } = job.source;
  const info = await job.content.info(descriptor.digest, { signal: job.signal });
  const merged = mergeSource(info.labels[label] ?? "", repository);
  if (merged !== info.labels[label]) {
    await job.content.setLabels(descriptor.digest, { [label]: merged }, { signal: job.signal });
  }
  return info.createdAt === undefined || toMs(info.createdAt) < job.startedMs;
}

function toMs({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

function checkSize(descriptor: Descriptor): void {
  const isDocument = isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType);
  if (descriptor.size > 0n || !isDocument) return;
  const what = `unable to fetch descriptor (${descriptor.digest}) which reports content size of zero`;
  throw new ContainerdError({ code: "invalid_argument", what, why: "invalid argument" });
}

function notSupported(descriptor: Descriptor): ContainerdError {
  return new ContainerdError({
    code: "unimplemented",
    what: `${descriptor.mediaType} not supported`,
    where: { digest: descriptor.digest },
    fix: "rebuild the image: Docker schema 1 is gone since containerd 2.1",
  });
}
