import { existsSync, lstatSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { listMounts, unmountAll } from "@ctr/sys";
import { detachLoop } from "./loop.ts";

/** Whether all that an activation mounted is still mounted: a boot takes it away, and so may anybody. */
export function isStanding(active: readonly { readonly mountPoint: string }[]): boolean {
  const points = new Set(listMounts().map((entry) => entry.mountPoint));
  return active.every(({ mountPoint }) => points.has(mountPoint) || isLink(mountPoint));
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/**
 * Unmounts what stands under an activation's directory, the last first, and removes the directory. Only empty
 * directories are ever removed: what could not be unmounted is an image's, or a user's. With `detach` something that is in use
 * goes out of sight at once, and when its last user ends.
 */
export async function takeDown(
  dir: string,
  options: { readonly signal: AbortSignal; readonly detach?: boolean },
): Promise<void> {
  if (!existsSync(dir)) return;
  const names = readdirSync(dir).sort((one, other) => Number(other) - Number(one));
  for (const name of names) {
    const path = join(dir, name);
    if (isLink(path)) {
      await detachLoop(path, options);
      continue;
    }
    await unmountAll(path, options);
    rmdirSync(path);
  }
  rmdirSync(dir);
}
