import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBlocks } from "./blocks.ts";

const MIB = 1024 * 1024;
const bytes = Buffer.from(Uint32Array.from({ length: (5 * MIB) / 4 + 3 }, (_none, at) => at).buffer);

/** Standard input that is a file, which has been read up to `from`. */
function openFile(from: number) {
  const dir = mkdtempSync(join(tmpdir(), "ctr-blocks-"));
  writeFileSync(join(dir, "file"), bytes);
  const fd = openSync(join(dir, "file"), "r");
  readSync(fd, Buffer.alloc(from), 0, from, null);
  return {
    fd,
    chunks: () => {
      throw new Error("read as a stream");
    },
    [Symbol.dispose]() {
      closeSync(fd);
      rmSync(dir, { recursive: true });
    },
  };
}

/** Standard input that is no file, and brings what it has in pieces of `size`. */
function openPipe(size: number) {
  const fd = openSync("/dev/null", "r");
  const left = { before: 0 };
  return {
    ...{ fd, left },
    async *chunks() {
      try {
        for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
      } finally {
        left.before++;
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

async function gather(blocks: AsyncIterable<Uint8Array>) {
  const all: Buffer[] = [];
  for await (const block of blocks) all.push(Buffer.from(block));
  return { sizes: all.map((block) => block.byteLength), all: Buffer.concat(all) };
}

test("readBlocks() reads a file from where it stands, in blocks of 1 MiB", async () => {
  using file = openFile(7);
  const { sizes, all } = await gather(readBlocks(file, 0));
  expect(sizes).toEqual([MIB, MIB, MIB, MIB, MIB, 5]);
  expect(all.equals(bytes.subarray(7))).toBe(true);
});

test.each([[1000], [65_536], [3 * MIB]])("readBlocks() gathers pieces of %i bytes in blocks of 1 MiB", async (size) => {
  using pipe = openPipe(size);
  const { sizes, all } = await gather(readBlocks(pipe, 0));
  expect(sizes).toEqual([MIB, MIB, MIB, MIB, MIB, 12]);
  expect(all.equals(bytes)).toBe(true);
});

test.each([
  ["a file", () => openFile(0)],
  ["a pipe", () => openPipe(65_536)],
])(
  "a block of %s is left alone while as many more come as were said, and its memory used again after that",
  async (_of, open) => {
    using input = open();
    const held: Uint8Array[] = [];
    let at = 0;
    for await (const block of readBlocks(input, 2)) {
      held.push(block);
      at += block.byteLength;
      // What is read ahead has come by then.
      await Bun.sleep(2);
      expect(Buffer.concat(held.slice(-3)).equals(bytes.subarray(at - sizeOf(held.slice(-3)), at))).toBe(true);
    }
    expect(new Set(held.map(({ buffer }) => buffer)).size).toBeLessThan(held.length);
  },
);

const sizeOf = (blocks: readonly Uint8Array[]) => blocks.reduce((sum, { byteLength }) => sum + byteLength, 0);

test("who stops reading blocks of a pipe has left the pipe", async () => {
  using pipe = openPipe(65_536);
  for await (const _block of readBlocks(pipe, 1)) break;
  expect(pipe.left.before).toBe(1);
});
