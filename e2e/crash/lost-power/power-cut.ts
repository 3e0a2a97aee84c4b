import { chmod, link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "../../../scripts/fuzz/random.ts";
import type { Change, DiskHistory, Inode, Step } from "./disk-history.ts";
import { bytesOf, type FileContent, overwrite, resize } from "./file-content.ts";

/** When the power goes, and what of the unsynced steps the disk happens to have kept by then. */
export interface PowerCut {
  /** The line of the recording after which nothing is done any more. */
  readonly line: number;
  readonly kept: "nothing" | "names" | number;
}

/** Writes to `dir` what is on disk after a power cut. A number for `kept` is the seed of a draw for each step. */
export async function writeDiskAfter(history: DiskHistory, cut: PowerCut, dir: string): Promise<void> {
  const disk = { names: new Map(), files: new Map(), modes: new Map() } satisfies Disk;
  const keeps = keeper(cut.kept);
  for (const step of history.steps) {
    if (step.at > cut.line) break;
    if (step.durableAt <= cut.line || keeps(step)) apply(disk, step.change);
  }
  await writeTree(disk, history.top, dir, new Map());
}

interface Disk {
  readonly names: Map<Inode, Map<string, Inode>>;
  readonly files: Map<Inode, FileContent>;
  readonly modes: Map<Inode, number>;
}

function keeper(kept: PowerCut["kept"]): (step: Step) => boolean {
  if (kept === "nothing") return () => false;
  if (kept === "names") return ({ change }) => change.kind === "names";
  const random = new Random(kept);
  return () => random.below(2) === 0;
}

function apply(disk: Disk, change: Change): void {
  switch (change.kind) {
    case "names":
      for (const { dir, name, inode, gone } of change.names) {
        const entries = disk.names.get(dir) ?? new Map<string, Inode>();
        disk.names.set(dir, entries);
        if (!gone) entries.set(name, inode);
        else if (entries.get(name) === inode) entries.delete(name);
      }
      return;
    case "bytes":
      disk.files.set(change.inode, overwrite(disk.files.get(change.inode), change.offset, change.data));
      return;
    case "size":
      disk.files.set(change.inode, resize(disk.files.get(change.inode), change.size));
      return;
    case "mode":
      disk.modes.set(change.inode, change.mode);
      return;
    default:
      change satisfies never;
  }
}

async function writeTree(disk: Disk, at: Inode, path: string, written: Map<Inode, string>): Promise<void> {
  for (const [name, inode] of disk.names.get(at) ?? []) {
    const full = join(path, name);
    const other = written.get(inode);
    if (other !== undefined) {
      // A directory whose rename is half on disk cannot have two names here.
      if (inode.kind !== "directory") await link(other, full);
      continue;
    }
    written.set(inode, full);
    if (inode.kind === "link") await symlink(inode.target, full);
    if (inode.kind === "file") await writeFile(full, bytesOf(disk.files.get(inode)));
    if (inode.kind === "directory") {
      await mkdir(full);
      await writeTree(disk, inode, full, written);
    }
    if (inode.kind === "file" || inode.kind === "directory") await chmod(full, disk.modes.get(inode) ?? 0o600);
  }
}
