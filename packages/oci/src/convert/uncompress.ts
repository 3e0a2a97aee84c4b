import { hasCode } from "@ctr/api";
import { decompress } from "../archive/compression.ts";
import { openWriter } from "../blob.ts";
import type { Cancel, ContentStore } from "../content.ts";
import type { Descriptor } from "../descriptor.ts";
import { digestAlgorithm, openDigester } from "../digest.ts";
import { UNCOMPRESSED_LABEL } from "../unpack.ts";
import { isPlainType, plainMediaType } from "./media-types.ts";

/** Stores a layer as a plain tar. `undefined` where it is one; labels but for that of its diff ID are kept. */
export async function uncompressLayer(
  store: ContentStore,
  layer: Descriptor,
  { signal }: Cancel,
): Promise<Descriptor | undefined> {
  if (isPlainType(layer.mediaType)) return undefined;
  const { [UNCOMPRESSED_LABEL]: _plain, ...labels } = (await store.info(layer.digest, { signal })).labels;
  await using blob = await store.readerAt(layer.digest, { signal });
  await using writer = await openWriter(store, `convert-uncompress-from-${layer.digest}`, { signal });
  // One that was interrupted may have left its beginning.
  await writer.truncate(0n, { signal });
  const digester = openDigester(digestAlgorithm(layer.digest));
  let size = 0n;
  for await (const chunk of decompress(blob.stream({ offset: 0n, length: blob.size }, { signal }))) {
    digester.update(chunk);
    size += BigInt(chunk.byteLength);
    await writer.write(chunk, { signal });
  }
  const digest = digester.digest();
  try {
    await writer.commit({ expected: digest, size, labels }, { signal });
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
  return { ...layer, digest, size, mediaType: plainMediaType(layer.mediaType) };
}
