import type { Input } from "./streams.ts";

/** Enough that what each block costs by itself, a message and an answer, comes to little. */
const BLOCK_BYTES = 1024 * 1024;

/**
 * All that is to be read, in blocks of at most 1 MiB. Their memory is used again, as making new takes as long as reading:
 * a block is good until `kept` more have come and yet another is asked for.
 */
export function readBlocks(input: Pick<Input, "fd" | "chunks">, kept: number): AsyncIterable<Uint8Array> {
  const { fstatSync } = process.getBuiltinModule("node:fs");
  return fstatSync(input.fd).isFile() ? fileBlocks(input.fd, kept) : gathered(input.chunks(), kept);
}

/** From where the file stands. One block is read ahead, which of a file never takes long. */
async function* fileBlocks(fd: number, kept: number): AsyncIterable<Uint8Array> {
  const next = openRing(kept + 2);
  let block = next();
  for (let reading = readInto(fd, block); ; ) {
    const length = await reading;
    if (length === 0) return;
    const full = block.subarray(0, length);
    block = next();
    reading = readInto(fd, block);
    // Told to whoever asks for the next block; perhaps nobody does.
    reading.catch(() => undefined);
    yield full;
  }
}

function readInto(fd: number, block: Uint8Array): Promise<number> {
  const { read } = process.getBuiltinModule("node:fs");
  return new Promise((resolve, reject) => {
    read(fd, block, 0, block.byteLength, null, (error, length) => (error ? reject(error) : resolve(length)));
  });
}

/** Nothing is read ahead of a pipe: whoever stops would have to wait for its writer. */
async function* gathered(chunks: AsyncIterable<Uint8Array>, kept: number): AsyncIterable<Uint8Array> {
  const next = openRing(kept + 1);
  let block = next();
  let length = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + BLOCK_BYTES - length);
      block.set(part, length);
      at += part.byteLength;
      length += part.byteLength;
      if (length < BLOCK_BYTES) continue;
      yield block;
      block = next();
      length = 0;
    }
  }
  if (length > 0) yield block.subarray(0, length);
}

/** Gives `count` blocks in turn, each made when it is first needed. */
function openRing(count: number): () => Uint8Array {
  const blocks: Uint8Array[] = [];
  return () => {
    const block = (blocks.length === count ? blocks.shift() : undefined) ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    blocks.push(block);
    return block;
  };
}
