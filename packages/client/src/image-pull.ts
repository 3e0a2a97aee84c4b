import { hasCode } from "@ctr/api";
import { type Descriptor, defaultPlatforms, type Image, type Labels } from "@ctr/oci";
import {
  type FetchImageOptions,
  fetchImage,
  type OnTransfer,
  openResolver,
  type Resolved,
  type Resolver,
} from "@ctr/registry";
import type { Client } from "./client.ts";
import { type UnpackSettings, unpackTo } from "./image-unpack.ts";
import type { HeldLease } from "./leases.ts";
import { type CallSettings, signalOf } from "./settings.ts";

export interface PullOptions
  extends UnpackSettings,
    Pick<FetchImageOptions, "allMetadata" | "manifestLimit" | "maxConcurrentDownloads" | "onProgress" | "childLabel"> {
  /** How registries are reached: credentials, TLS, mirrors. Anonymous over https when left out. */
  readonly resolver?: Resolver | undefined;
  /** Labels of the image. */
  readonly labels?: Labels | undefined;
  /** False leaves the layers packed. */
  readonly unpack?: boolean | undefined;
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
 * The client-side pull, for any containerd: lease, fetch, record, unpack. The record is made before unpacking, as the
 * Go client does, so that a failure to unpack keeps what was downloaded. A fetch that was interrupted, by the user or by
 * the network, leaves its lease for a day: the next pull fetches only what is missing.
 */
export async function pullImage(client: Client, reference: string, options: PullOptions): Promise<Pulled> {
  const signal = signalOf(options);
  await using lease = await client.leases.hold({ signal });
  const { images } = lease.client;
  const resolved = await fetchInto(lease, reference, options);
  const { labels = {} } = options;
  const image = await images.put({ name: resolved.name, target: resolved.descriptor, labels }, { signal });
  if (options.unpack === false) return { image, chainID: undefined };
  const { chainID } = await unpackTo(lease.client, image.target, options);
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

async function fetchInto(lease: HeldLease, reference: string, options: PullOptions): Promise<Resolved> {
  const resolver = options.resolver ?? openResolver();
  let hasBytes = false;
  const onProgress: OnTransfer = (event) => {
    hasBytes ||= event.kind === "transferring" && event.offset > 0n;
    options.onProgress?.(event);
  };
  try {
    const fetching = fetchOptions({ ...options, onProgress }, signalOf(options));
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
