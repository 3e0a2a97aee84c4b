import { hasCode } from "@ctr/api";
import { type Descriptor, defaultPlatforms, type Image, type Labels, type PlatformMatcher } from "@ctr/oci";
import {
  type FetchImageOptions,
  fetchImage,
  type OnTransfer,
  openResolver,
  type Resolved,
  type Resolver,
} from "@ctr/registry";
import type { Client } from "./client.ts";
import { type UnpackSettings, unpackOptions, unpackTarget, unpackTo } from "./image-unpack.ts";
import type { HeldLease } from "./leases.ts";
import { type CallSettings, signalOf } from "./settings.ts";
import { type FetchEvents, UnpackAhead } from "./unpack-ahead.ts";

export interface PullOptions
  extends UnpackSettings,
    Pick<FetchImageOptions, "allMetadata" | "manifestLimit" | "maxConcurrentDownloads" | "onProgress" | "childLabel"> {
  /** How registries are reached: credentials, TLS, mirrors. Anonymous over https when left out. */
  readonly resolver?: Resolver | undefined;
  /** Labels of the image. */
  readonly labels?: Labels | undefined;
  /** False leaves the layers packed. */
  readonly unpack?: boolean | undefined;
  /** What is unpacked of what `matcher` has fetched, where that is not the same. */
  readonly unpackMatcher?: PlatformMatcher | undefined;
  /** Called once the image is recorded, and awaited before it is told that it is unpacked. */
  readonly onFetched?: ((image: Image) => Promise<void>) | undefined;
}

export interface FetchSettings extends CallSettings {
  /** How registries are reached. Anonymous over https when left out. */
  readonly resolver?: Resolver | undefined;
}

export interface Pulled {
  readonly image: Image;
  /** Name of the top snapshot; undefined when nothing was unpacked. */
  readonly chainID: string | undefined;
}

/**
 * The client-side pull, for any containerd: lease, fetch, record, unpack. Layers are unpacked while later ones are
 * fetched. The record is made as soon as all is fetched, so that a failure to unpack keeps what was downloaded. A fetch that was interrupted, by the user or by
 * the network, leaves its lease for a day: the next pull fetches only what is missing.
 */
export async function pullImage(client: Client, reference: string, options: PullOptions): Promise<Pulled> {
  const signal = signalOf(options);
  await using lease = await client.leases.hold({ signal });
  const { images } = lease.client;
  const { labels = {}, unpackMatcher: matcher = options.matcher, onFetched } = options;
  const unpacking = { ...options, matcher };
  await using ahead =
    options.unpack === false
      ? undefined
      : new UnpackAhead(unpackTarget(lease.client, unpacking), unpackOptions(unpacking));
  const resolved = await fetchInto(lease, reference, options, ahead?.events);
  const image = await images.put({ name: resolved.name, target: resolved.descriptor, labels }, { signal });
  await onFetched?.(image);
  if (ahead === undefined) return { image, chainID: undefined };
  const { chainID } = (await ahead.finish()) ?? (await unpackTo(lease.client, image.target, unpacking));
  return { image, chainID };
}

/** Content alone: no image, nothing unpacked, and no lease but the caller's. */
export async function fetchOnly(client: Client, reference: string, options: FetchSettings): Promise<Descriptor> {
  const resolver = options.resolver ?? openResolver();
  const { descriptor } = await fetchImage(
    { resolver, reference, content: client.content },
    { signal: signalOf(options) },
  );
  return descriptor;
}

async function fetchInto(
  lease: HeldLease,
  reference: string,
  options: PullOptions,
  ahead: FetchEvents | undefined,
): Promise<Resolved> {
  const resolver = options.resolver ?? openResolver();
  let hasBytes = false;
  const onProgress: OnTransfer = (event) => {
    hasBytes ||= event.kind === "transferring" && event.offset > 0n;
    ahead?.onProgress(event);
    options.onProgress?.(event);
  };
  try {
    // The first layers have to be whole soon.
    const early = ahead === undefined ? {} : { onDocument: ahead.onDocument, inOrder: true };
    const fetching = { ...fetchOptions({ ...options, onProgress }, signalOf(options)), ...early };
    return await fetchImage({ resolver, reference, content: lease.client.content }, fetching);
  } catch (error) {
    if (hasBytes && (signalOf(options).aborted || hasCode(error, "unavailable", "deadline_exceeded"))) lease.keep();
    throw error;
  }
}

function fetchOptions(options: PullOptions, signal: AbortSignal): FetchImageOptions {
  const { matcher = defaultPlatforms(), allMetadata, maxConcurrentDownloads, onProgress, childLabel } = options;
  return {
    signal,
    matcher,
    // One platform unless the caller's matcher is meant to take several.
    manifestLimit: options.manifestLimit ?? (options.matcher === undefined ? 1 : 0),
    ...(allMetadata === undefined ? {} : { allMetadata }),
    ...(maxConcurrentDownloads === undefined ? {} : { maxConcurrentDownloads }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(childLabel === undefined ? {} : { childLabel }),
  };
}
