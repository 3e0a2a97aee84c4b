import { lstatSync, readdirSync, type Stats } from "node:fs";
import type { SnapshotUsage } from "@ctr/oci";
import { hasErrno } from "../store/disk-error.ts";

/** Bytes of a disk block as `stat` counts them, whatever the filesystem's own are. */
const BLOCK_BYTES = 512;
/** Entries looked at before others get a turn. */
const ENTRIES_PER_TURN = 500;

/** Room a tree takes: blocks, each file with several names once. Names are bytes; what goes meanwhile is not counted. */
export async function treeUsage(dir: string, signal: AbortSignal): Promise<SnapshotUsage> {
  const walk = new UsageWalk(dir);
  while (walk.go(ENTRIES_PER_TURN)) {
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
  return walk.usage;
}

/** The same at once, for a thread that has nothing else to do. */
export function measureTree(dir: string): SnapshotUsage {
  const walk = new UsageWalk(dir);
  walk.go(Number.POSITIVE_INFINITY);
  return walk.usage;
}

class UsageWalk {
  readonly #todo: Buffer[];
  readonly #shared = new Set<number>();
  #blocks = 0;
  #inodes = 0;

  constructor(dir: string) {
    this.#todo = [Buffer.from(dir)];
  }

  get usage(): SnapshotUsage {
    return { size: BigInt(this.#blocks * BLOCK_BYTES), inodes: BigInt(this.#inodes) };
  }

  /** Looks at so many entries; false when none is left. */
  go(entries: number): boolean {
    for (let left = entries; left > 0; left--) {
      const path = this.#todo.pop();
      if (path === undefined) return false;
      this.#visit(path);
    }
    return this.#todo.length > 0;
  }

  #visit(path: Buffer): void {
    const stats = ignoreMissing(() => lstatSync(path));
    if (stats === undefined) return;
    if (this.#isNew(stats)) {
      this.#blocks += stats.blocks;
      this.#inodes += 1;
    }
    if (!stats.isDirectory()) return;
    const prefix = Buffer.concat([path, Buffer.from("/")]);
    for (const name of ignoreMissing(() => readdirSync(path, { encoding: "buffer" })) ?? []) {
      this.#todo.push(Buffer.concat([prefix, name]));
    }
  }

  /** A directory's further names are its own and its children's. */
  #isNew(stats: Stats): boolean {
    if (stats.isDirectory() || stats.nlink === 1) return true;
    const known = this.#shared.size;
    return this.#shared.add(stats.ino).size > known;
  }
}

function ignoreMissing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
