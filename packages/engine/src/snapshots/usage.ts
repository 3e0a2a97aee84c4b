import { lstat, readdir } from "node:fs/promises";
import type { SnapshotUsage } from "@ctr/oci";
import { hasErrno } from "../store/disk-error.ts";

/** Bytes of a disk block as `stat` counts them, whatever the filesystem's own are. */
const BLOCK_BYTES = 512n;

/** Room a tree takes: blocks, each file with several names once. Names are bytes; what goes meanwhile is not counted. */
export async function treeUsage(dir: string, signal: AbortSignal): Promise<SnapshotUsage> {
  const seen = new Set<bigint>();
  let size = 0n;
  const todo: Buffer[] = [Buffer.from(dir)];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    signal.throwIfAborted();
    const stats = await ignoreMissing(lstat(path, { bigint: true }));
    if (stats === undefined) continue;
    if (!seen.has(stats.ino)) size += stats.blocks * BLOCK_BYTES;
    seen.add(stats.ino);
    if (!stats.isDirectory()) continue;
    const names = (await ignoreMissing(readdir(path, { encoding: "buffer" }))) ?? [];
    for (const name of names) todo.push(Buffer.concat([path, Buffer.from("/"), name]));
  }
  return { size, inodes: BigInt(seen.size) };
}

async function ignoreMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
