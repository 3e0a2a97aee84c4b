import { lstat, rmdir, unlink } from "node:fs/promises";
import type { StdioPaths } from "@ctr/client";

/** Removes a deleted task's FIFOs, and their directory where that leaves it empty. Anything else at the paths stays. */
export async function removeFifos({ stdin, stdout, stderr }: StdioPaths): Promise<void> {
  const directories = new Set<string>();
  for (const path of new Set([stdin, stdout, stderr])) {
    if (!path.startsWith("/")) continue;
    // What cannot be looked at is not ours to remove.
    const stats = await lstat(path).catch(() => undefined);
    if (!stats?.isFIFO()) continue;
    await unlink(path).catch(() => undefined);
    directories.add(path.slice(0, path.lastIndexOf("/")));
  }
  // A directory that is not empty belongs to somebody else too.
  for (const directory of directories) await rmdir(directory).catch(() => undefined);
}
