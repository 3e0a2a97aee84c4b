import type { Stats } from "node:fs";

/** A range of ids inside a user namespace and where it lies outside. user_namespaces(7), "uid_map". */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface OwnerMappings {
  readonly uid: readonly IdMapping[];
  readonly gid: readonly IdMapping[];
}

/**
 * Gives every file below `dir`, and `dir` itself, to the ids outside that its owner has inside a user namespace. Links
 * are changed themselves, never followed; set-id bits, which the kernel clears on a change of owner, are put back.
 * Needs privilege. Nobody else may change the tree meanwhile. Throws when an owner lies in no range.
 */
export function shiftOwners(dir: string, mappings: OwnerMappings): void {
  const { lstatSync, readdirSync } = process.getBuiltinModule("node:fs");
  const stats = lstatSync(dir);
  shiftOne(dir, stats, mappings);
  if (!stats.isDirectory()) return;
  for (const name of readdirSync(dir)) shiftOwners(`${dir}/${name}`, mappings);
}

const SET_ID_BITS = 0o6000;

function shiftOne(path: string, stats: Stats, mappings: OwnerMappings): void {
  const { chmodSync, lchownSync } = process.getBuiltinModule("node:fs");
  lchownSync(path, toHost(stats.uid, mappings.uid, path), toHost(stats.gid, mappings.gid, path));
  if (stats.isFile() && (stats.mode & SET_ID_BITS) !== 0) chmodSync(path, stats.mode & 0o7777);
}

function toHost(id: number, mappings: readonly IdMapping[], path: string): number {
  const range = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  if (!range) throw new Error(`${path}: id ${id} is in no mapping`);
  return range.hostID + id - range.containerID;
}
