import { ContainerdError, hasCode } from "@ctr/api";
import {
  type BlobWriter,
  type CompareOptions,
  type ContentStore,
  type Descriptor,
  type Digest,
  type Mount,
  mediaTypes,
  openDigester,
  UNCOMPRESSED_LABEL,
} from "@ctr/oci";
import { type FileTime, openTree, readOnlyMounts } from "@ctr/sys";
import { compressLayer } from "./compressor.ts";
import { layerStream } from "./layer-stream.ts";
import { compareCompression } from "./layer-type.ts";
import { type MountedOptions, openMounted } from "./mounted.ts";

export interface LayerCompareOptions extends CompareOptions {
  /** See `LayerStreamOptions`. */
  readonly sourceDateEpoch?: FileTime;
}

export interface CompareTools extends MountedOptions {
  readonly content: ContentStore;
}

/**
 * Stores the layer that turns `lower` into `upper`, and returns its descriptor. The blob gets `options.labels`, and the
 * diff ID under `containerd.io/uncompressed`. A named ref is started afresh; an unnamed one that fails is dropped.
 */
export async function compareMounts(
  tools: CompareTools,
  mounts: { readonly lower: readonly Mount[]; readonly upper: readonly Mount[] },
  options: LayerCompareOptions,
): Promise<Descriptor> {
  const compression = compareCompression(options.mediaType);
  await using lower = await openMounted(mounts.lower, tools);
  // What is looked at directly needs no read-only mount.
  await using upper = await openMounted(isBind(mounts.upper) ? mounts.upper : readOnlyMounts(mounts.upper), tools);
  using lowerTree = openTree(lower.dir);
  using upperTree = openTree(upper.dir);
  const diffID = openDigester();
  const layer = hashed(layerStream(lowerTree, upperTree, options), diffID);
  const ref = options.ref === undefined || options.ref === "" ? uniqueRef() : options.ref;
  const labels = () => ({ ...options.labels, [UNCOMPRESSED_LABEL]: diffID.digest() });
  const stored = await storeBlob(tools.content, compressLayer(layer, compression), { ...options, ref, labels });
  return { mediaType: options.mediaType || mediaTypes.ociLayerGzip, ...stored };
}

function isBind(mounts: readonly Mount[]): boolean {
  return mounts.length === 1 && mounts[0]?.type === "bind";
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  digester: { update(chunk: Uint8Array): void },
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    digester.update(chunk);
    yield chunk;
  }
}

interface StoreOptions {
  readonly signal: AbortSignal;
  readonly ref: string;
  /** Asked for when all bytes are through. */
  readonly labels: () => Readonly<Record<string, string>>;
}

async function storeBlob(
  content: ContentStore,
  chunks: AsyncIterable<Uint8Array>,
  options: StoreOptions,
): Promise<{ readonly digest: Digest; readonly size: bigint }> {
  const { ref, signal } = options;
  await using writer = await content.writer(ref, { signal });
  try {
    if (writer.offset > 0n) await writer.truncate(0n, { signal });
    return await fill(content, writer, chunks, options);
  } catch (error) {
    // On a disk that is full, what is to be dropped makes the room for recording that it was.
    await writer.truncate(0n, { signal }).catch(() => undefined);
    await writer[Symbol.asyncDispose]();
    // GC takes what cannot be dropped now; the first error is the one to tell.
    await content.abort(ref, { signal: new AbortController().signal }).catch(() => undefined);
    throw error;
  }
}

async function fill(
  content: ContentStore,
  writer: BlobWriter,
  chunks: AsyncIterable<Uint8Array>,
  { signal, labels: finalLabels }: StoreOptions,
): Promise<{ readonly digest: Digest; readonly size: bigint }> {
  const digester = openDigester();
  let size = 0n;
  for await (const chunk of chunks) {
    digester.update(chunk);
    size += BigInt(chunk.byteLength);
    await writer.write(chunk, { signal });
  }
  const digest = digester.digest();
  const labels = finalLabels();
  try {
    await writer.commit({ size, expected: digest, labels }, { signal });
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
    await addDiffID(content, digest, labels, signal);
  }
  return { digest, size };
}

/** A blob that was there already may not have the label. */
async function addDiffID(
  content: ContentStore,
  digest: Digest,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const known = await content.info(digest, { signal });
  const diffID = labels[UNCOMPRESSED_LABEL];
  if (diffID === undefined)
    throw new ContainerdError({ code: "internal", what: "cannot label layer", why: "no diff ID" });
  if (known.labels[UNCOMPRESSED_LABEL] === undefined) {
    await content.setLabels(digest, { [UNCOMPRESSED_LABEL]: diffID }, { signal });
  }
}

/** `<nanoseconds>-<4 characters>`, as containerd. */
function uniqueRef(): string {
  const nanos = BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1e6));
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(3))).toString("base64url");
  return `${nanos}-${random}`;
}
