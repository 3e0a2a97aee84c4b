import { hasCode } from "@ctr/api";
import {
  type ContentManager,
  type ContentProvider,
  type Descriptor,
  filterPlatforms,
  forEachLimited,
  isIndexType,
  isManifestType,
  isNonDistributableType,
  type PlatformMatcher,
  parseReference,
  readChildren,
  refKey,
  walkGraph,
} from "@ctr/oci";
import { sourceRepositories } from "./distribution-source.ts";
import type { OnTransfer } from "./progress.ts";
import type { PushOptions } from "./push.ts";
import type { Pusher, Resolver } from "./resolver.ts";

export interface PushImageOptions {
  readonly signal: AbortSignal;
  /** Which manifests of an index go; default all. The index goes as it is. */
  readonly matcher?: PlatformMatcher;
  /** Blobs at once; default 3, as containerd's pusher; 0 any number. */
  readonly maxConcurrentUploads?: number;
  /** Send layers that their licence keeps off other registries. */
  readonly allowNonDistributable?: boolean;
  readonly onProgress?: OnTransfer;
}

export interface PushImageTarget {
  readonly resolver: Resolver;
  /** Where to; the root manifest gets its tag. */
  readonly reference: string;
  readonly content: ContentProvider & Pick<ContentManager, "info">;
}

const DEFAULT_UPLOADS = 3;

interface Job {
  readonly pusher: Pusher;
  readonly target: PushImageTarget;
  readonly options: PushImageOptions;
  readonly report: OnTransfer;
  readonly signal: AbortSignal;
}

/** Sends an image: layers and configs at the same time, then manifests, then the indexes that name them. */
export async function pushImage(target: PushImageTarget, root: Descriptor, options: PushImageOptions): Promise<void> {
  const job: Job = {
    pusher: target.resolver.pusher(pushReference(target.reference, root)),
    target,
    options,
    report: options.onProgress ?? (() => undefined),
    signal: options.signal,
  };
  const plan = await planPush(job, root);
  await pushLeaves(job, plan.leaves);
  // A registry refuses a manifest whose parts it does not have.
  for (const document of plan.documents) await pushOne(job, document);
}

/** The digest beside the tag tells the pusher which manifest the tag is for. */
function pushReference(reference: string, root: Descriptor): string {
  return parseReference(reference).object.includes("@") ? reference : `${reference}@${root.digest}`;
}

interface Plan {
  readonly leaves: readonly Descriptor[];
  /** Children before parents. */
  readonly documents: readonly Descriptor[];
}

async function planPush(job: Job, root: Descriptor): Promise<Plan> {
  const leaves = new Map<string, Descriptor>();
  const documents = new Map<string, Descriptor>();
  await walkGraph(root, async (descriptor) => {
    const { mediaType, digest } = descriptor;
    const isDocument = isManifestType(mediaType) || isIndexType(mediaType);
    if (!isDocument && skips(job, descriptor)) return [];
    const list = isDocument ? documents : leaves;
    // Set anew: what is met again deeper has to go before every parent.
    list.delete(digest);
    list.set(digest, descriptor);
    job.report({ kind: "waiting", ref: refKey(descriptor), descriptor, parent: undefined });
    const children = await readChildren(job.target.content, descriptor, { signal: job.signal });
    const { matcher } = job.options;
    return matcher !== undefined && isIndexType(mediaType) ? filterPlatforms(children, matcher) : children;
  });
  return { leaves: [...leaves.values()], documents: [...documents.values()].toReversed() };
}

function skips(job: Job, descriptor: Descriptor): boolean {
  return job.options.allowNonDistributable !== true && isNonDistributableType(descriptor.mediaType);
}

/** All leaves, a few at a time; the first failure stops the rest. */
async function pushLeaves(job: Job, leaves: readonly Descriptor[]): Promise<void> {
  const failure = new AbortController();
  const limited: Job = { ...job, signal: AbortSignal.any([job.signal, failure.signal]) };
  await forEachLimited(leaves, job.options.maxConcurrentUploads ?? DEFAULT_UPLOADS, async (descriptor) => {
    try {
      await pushOne(limited, descriptor);
    } catch (error) {
      if (!failure.signal.aborted) failure.abort(error);
      throw job.signal.aborted ? job.signal.reason : failure.signal.reason;
    }
  });
}

async function pushOne(job: Job, descriptor: Descriptor): Promise<void> {
  const ref = refKey(descriptor);
  const { signal } = job;
  job.report({ kind: "transferring", ref, descriptor, offset: 0n });
  const onSent = (offset: bigint) => {
    job.report({ kind: "transferring", ref, descriptor, offset });
    if (offset === descriptor.size) job.report({ kind: "committing", ref, descriptor });
  };
  const mountFrom = await repositoriesOf(job, descriptor);
  const pushOptions: PushOptions = { signal, onSent, mountFrom };
  const outcome = await job.pusher.push(descriptor, (from) => readFrom(job, descriptor, from), pushOptions);
  job.report({ kind: outcome === "pushed" ? "done" : "exists", ref, descriptor });
}

async function* readFrom(job: Job, descriptor: Descriptor, from: bigint): AsyncGenerator<Uint8Array, void, undefined> {
  await using blob = await job.target.content.readerAt(descriptor.digest, { signal: job.signal });
  yield* blob.stream({ offset: from, length: blob.size - from }, { signal: job.signal });
}

/** Where the blob was pulled from; a blob that is missing fails when it is read, with its own error. */
async function repositoriesOf(job: Job, descriptor: Descriptor): Promise<readonly string[]> {
  if (isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)) return [];
  try {
    const info = await job.target.content.info(descriptor.digest, { signal: job.signal });
    return sourceRepositories(info.labels, parseReference(job.target.reference));
  } catch (error) {
    if (hasCode(error, "not_found")) return [];
    throw error;
  }
}
