import { hasCode } from "@ctr/api";
import { type ConvertLayer, type Descriptor, mediaTypes, openDigester, openWriter, UNCOMPRESSED_LABEL } from "@ctr/oci";
import { fail } from "../errors.ts";
import { becomesErofs, type LayerSources, writeErofs } from "./layer.ts";
import type { MkfsSettings } from "./mkfs.ts";
import { openScratch } from "./scratch.ts";

/** `--erofs raw|zstd`. */
export type ErofsForm = "raw" | "zstd";

export function parseErofsForm(text: string): ErofsForm {
  if (text === "raw" || text === "zstd") return text;
  throw fail(`unsupported erofs format ${JSON.stringify(text)}, supported: raw, zstd`);
}

/** Layers as EROFS images, compressed as a whole or not; the diff ID is that of the image itself. */
export function erofsLayers(sources: LayerSources, form: ErofsForm, settings: MkfsSettings): ConvertLayer {
  return async (layer, { signal, diffID }) => {
    if (!becomesErofs(layer)) return undefined;
    if (diffID === undefined) throw fail(`the image has no diff ID for layer ${layer.digest}`);
    await using scratch = await openScratch();
    const file = `${scratch.dir}/layer.erofs`;
    await writeErofs(sources, { layer, diffID, file }, { ...settings, signal });
    return await store(sources, { layer, file, form }, signal);
  };
}

async function store(
  { content }: LayerSources,
  { layer, file, form }: { readonly layer: Descriptor; readonly file: string; readonly form: ErofsForm },
  signal: AbortSignal,
) {
  const raw = openDigester();
  const stored = openDigester();
  let size = 0n;
  await using writer = await openWriter(content, `convert-erofs-from-${layer.digest}`, { signal });
  // One that was interrupted may have left its beginning.
  await writer.truncate(0n, { signal });
  for await (const chunk of compressed(hashed(Bun.file(file).stream(), raw), form)) {
    stored.update(chunk);
    size += BigInt(chunk.byteLength);
    await writer.write(chunk, { signal });
  }
  const [digest, diffID] = [stored.digest(), raw.digest()];
  const { labels } = await content.info(layer.digest, { signal });
  try {
    const kept = { ...labels, [UNCOMPRESSED_LABEL]: diffID };
    await writer.commit({ expected: digest, size, labels: kept }, { signal });
  } catch (error) {
    if (!hasCode(error, "already_exists")) throw error;
  }
  const mediaType = form === "raw" ? mediaTypes.erofsLayer : `${mediaTypes.erofsLayer}+${form}`;
  return { layer: { ...layer, mediaType, digest, size }, diffID };
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  digester: ReturnType<typeof openDigester>,
): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    digester.update(chunk);
    yield chunk;
  }
}

async function* compressed(chunks: AsyncIterable<Uint8Array>, form: ErofsForm): AsyncIterable<Uint8Array> {
  if (form === "raw") {
    yield* chunks;
    return;
  }
  const { pipeline, Readable } = process.getBuiltinModule("node:stream");
  const zstd = process.getBuiltinModule("node:zlib").createZstdCompress();
  // The loop below tells the error; the callback only keeps it from being unhandled.
  pipeline(Readable.from(chunks), zstd, () => undefined);
  yield* zstd;
}
