import type { Duplex } from "node:stream";

/** The stream compressed; the same bytes come out for the same bytes, whatever chunks they come in. */
export function compressLayer(
  chunks: AsyncIterable<Uint8Array>,
  compression: "none" | "gzip" | "zstd",
): AsyncIterable<Uint8Array> {
  const zlib = process.getBuiltinModule("node:zlib");
  switch (compression) {
    case "none":
      return chunks;
    case "gzip":
      return through(zlib.createGzip(), chunks);
    case "zstd":
      return through(zlib.createZstdCompress(), chunks);
  }
}

async function* through(codec: Duplex, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const { pipeline, Readable } = process.getBuiltinModule("node:stream");
  // An error of the source destroys the codec, whose reader below throws it; the callback keeps it from being unhandled.
  pipeline(Readable.from(chunks), codec, () => undefined);
  for await (const chunk of codec) yield chunk;
}
