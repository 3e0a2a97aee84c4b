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
