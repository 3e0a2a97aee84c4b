import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../store/store.ts";
import { readShimAddress, removeBundle } from "./bundle.ts";
import { namesByNamespace } from "./state-names.ts";
import { type TaskPaths, taskLock, taskPaths } from "./task-paths.ts";
import { findTask } from "./task-rows.ts";

/**
 * Removes bundles that no row names: their process was killed between making one and recording it, or the other way
 * round. A row without a pid is a task whose creation was never finished. Where a shim may have been started, whatever
 * there is of it goes, too.
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
  const row = store.db.read((tx) => findTask(tx, namespace, paths.id));
  if (row === undefined && readShimAddress(paths.bundle) === undefined) await removeBundle(paths);
  else if (row === undefined || row.pid === 0n) await undoUnfinished(store, paths);
}

/** Seldom needed, so loaded only then. One that cannot be removed now waits for the next collection. */
async function undoUnfinished(store: Store, paths: TaskPaths): Promise<void> {
  const { undoUnfinished: undo } = await import("./unfinished-task.ts");
  await undo(store, paths).catch(() => undefined);
}
