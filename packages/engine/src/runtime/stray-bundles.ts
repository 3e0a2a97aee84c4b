import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../store/store.ts";
import { removeBundle } from "./bundle.ts";
import { namesByNamespace } from "./state-names.ts";
import { taskLock, taskPaths } from "./task-paths.ts";
import { findTask } from "./task-rows.ts";

/**
 * Removes bundles that no row names: their process was killed between making one and recording it, or the other way
 * round. No shim is in such a bundle: its row is there before a shim starts, and goes when the shim is gone.
 */
export async function removeStrayBundles(store: Store): Promise<void> {
  for (const { namespace, name } of namesByNamespace(join(store.state, "bundles"))) {
    await removeStray(store, namespace, name);
  }
}

/** Whoever holds the task's lock is at work on the bundle, and will end what he does. */
async function removeStray(store: Store, namespace: string, name: string): Promise<void> {
  // A name that begins with a dot is a bundle half removed: ids never do.
  const paths = taskPaths(store, namespace, name.replace(/^\./, ""));
  using lock = store.locks.tryOf(taskLock(namespace, paths.id));
  if (lock === undefined) return;
  if (name.startsWith(".")) rmSync(join(paths.bundle, "..", name), { recursive: true, force: true });
  if (store.db.read((tx) => findTask(tx, namespace, paths.id)) === undefined) await removeBundle(paths);
}
