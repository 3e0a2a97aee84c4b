import { callLibc, hasLibc } from "./libc.ts";

/** Waits until everything written to the filesystem of `path` is on disk. syncfs(2). Blocks the thread. */
export function syncFilesystem(path: string): void {
  const { closeSync, openSync, fsyncSync } = process.getBuiltinModule("node:fs");
  const fd = openSync(path, "r");
  try {
    if (hasLibc()) callLibc("syncfs", [fd], path);
    else fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Waits for nothing that has not begun, sync_file_range(2). */
const SYNC_FILE_RANGE_WAIT_BEFORE = 1;

/** Throws what went wrong since `fd` was opened when bytes of its file were brought to disk, by whomever; as fsync(2) does. */
export function throwWriteFault(fd: number, path: string): void {
  callLibc("sync_file_range", [fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE], path);
}
