import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { failpoint } from "../failpoint.ts";
import { hasErrno } from "./disk-error.ts";
import type { Store } from "./store.ts";

/** A free name in the store's trash. What is to be deleted is renamed there first, which is quick and cannot fail halfway. */
export function trashPath(store: Pick<Store, "root">): string {
  const dir = trashDir(store);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return join(dir, crypto.randomUUID());
}

/**
 * Deletes what is in the trash, also what a process left that died while it did so. The directory stays: another
 * process may be about to rename something into it.
 */
export async function emptyTrash(store: Pick<Store, "root">): Promise<void> {
  const dir = trashDir(store);
  for (const name of await namesIn(dir)) {
    failpoint("trash.remove");
    await rm(join(dir, name), { recursive: true, force: true });
  }
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    // Nothing was ever thrown away.
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  }
}

function trashDir(store: Pick<Store, "root">): string {
  return join(store.root, "trash");
}
