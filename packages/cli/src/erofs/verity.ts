/** Bytes of a data block and of a hash block; digests are sha256. Linux, Documentation/admin-guide/device-mapper/verity.rst. */
const BLOCK = 4096;
const DIGEST = 32;
const PER_BLOCK = BLOCK / DIGEST;
/** What containerd salts with; the superblock carries it, so any other reader finds it. */
const SALT = Buffer.alloc(32);

export interface VerityArea {
  /** Of the tree's top: whoever knows it can trust every block. */
  readonly rootHash: string;
  /** Where the superblock begins, in bytes. */
  readonly hashOffset: number;
}

/** Appends superblock and hash tree to a file, which is padded to whole blocks. Memory: 32 bytes per 4 KiB of it. */
export async function appendVerity(file: string, uuid: string): Promise<VerityArea> {
  const { open } = await import("node:fs/promises");
  await using handle = await open(file, "r+");
  const { size } = await handle.stat();
  const dataBlocks = Math.ceil(size / BLOCK);
  const hashOffset = dataBlocks * BLOCK;
  await handle.truncate(hashOffset);
  const leaves = Buffer.alloc(dataBlocks * DIGEST);
  const block = Buffer.alloc(BLOCK);
  for (let at = 0; at < dataBlocks; at++) {
    await readBlock(handle, block, at * BLOCK);
    hashBlock(block).copy(leaves, at * DIGEST);
  }
  const { levels, root } = hashTree(leaves);
  const superblock = superblockOf(dataBlocks, uuid);
  // The level next to the root comes first.
  await handle.write(Buffer.concat([superblock, ...levels.toReversed()]), 0, undefined, hashOffset);
  await handle.sync();
  return { rootHash: root.toString("hex"), hashOffset };
}

async function readBlock(
  handle: { read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }> },
  block: Buffer,
  position: number,
): Promise<void> {
  for (let done = 0; done < BLOCK; ) {
    const { bytesRead } = await handle.read(block, done, BLOCK - done, position + done);
    if (bytesRead === 0) throw new Error(`unexpected end of file at byte ${position + done}`);
    done += bytesRead;
  }
}

/** Each level is the digests of the blocks of the one below, in whole blocks; a single digest is the root. */
function hashTree(leaves: Buffer): { readonly levels: readonly Buffer[]; readonly root: Buffer } {
  const levels: Buffer[] = [];
  let digests = leaves;
  while (digests.byteLength > DIGEST) {
    const level = Buffer.alloc(Math.ceil(digests.byteLength / DIGEST / PER_BLOCK) * BLOCK);
    digests.copy(level);
    levels.push(level);
    const blocks = Array.from({ length: level.byteLength / BLOCK }, (_, at) =>
      level.subarray(at * BLOCK, (at + 1) * BLOCK),
    );
    digests = Buffer.concat(blocks.map(hashBlock));
  }
  return { levels, root: digests };
}

/** Hash type 1: the salt comes before the block. */
function hashBlock(block: Buffer): Buffer {
  return new Bun.CryptoHasher("sha256").update(SALT).update(block).digest();
}

/** Version 1, in a block of its own. cryptsetup, docs/on-disk format of verity: little-endian, salt after 6 bytes of padding. */
function superblockOf(dataBlocks: number, uuid: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write("verity\0\0", 0, "latin1");
  block.writeUInt32LE(1, 8);
  block.writeUInt32LE(1, 12);
  Buffer.from(uuid.replaceAll("-", ""), "hex").copy(block, 16);
  block.write("sha256", 32, "latin1");
  block.writeUInt32LE(BLOCK, 64);
  block.writeUInt32LE(BLOCK, 68);
  block.writeBigUInt64LE(BigInt(dataBlocks), 72);
  block.writeUInt16LE(SALT.byteLength, 80);
  SALT.copy(block, 88);
  return block;
}
