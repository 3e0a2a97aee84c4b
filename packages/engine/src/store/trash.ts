import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Store } from "./store.ts";

/** A free name in the store's trash. What is to be deleted is renamed there first, which is quick and cannot fail halfway. */
export function trashPath(store: Pick<Store, "root">): string {
  const dir = trashDir(store);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return join(dir, crypto.randomUUID());
}

/** Deletes what is in the trash, also what a process left that died while it did so. */
export async function emptyTrash(store: Pick<Store, "root">): Promise<void> {
  await rm(trashDir(store), { recursive: true, force: true });
}

function trashDir(store: Pick<Store, "root">): string {
  return join(store.root, "trash");
}
