import { closeSync, fsyncSync, openSync } from "node:fs";

/** Waits until the names in a directory are on disk, and holds the thread meanwhile: a transaction cannot await. */
export function syncDirectoryNow(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
