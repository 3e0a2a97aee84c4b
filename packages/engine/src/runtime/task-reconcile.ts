import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { undoCreate } from "./task-cleanup.ts";
import type { TaskContext } from "./task-context.ts";
import { type TaskPaths, taskLock, taskPaths } from "./task-paths.ts";
import { findTask, listTasks } from "./task-rows.ts";

/**
 * Removes what killed processes left: tasks whose creation was never finished, and bundles that no row speaks of. One
 * that another process is at work on is passed over, as is one that cannot be removed now.
 */
export async function removeDebris(context: TaskContext, signal: AbortSignal): Promise<void> {
  const { store } = context;
  const unfinished = store.db.read((tx) => listTasks(tx)).filter((row) => row.pid === 0n);
  const found = [...unfinished.map((row) => taskPaths(store, row.namespace, row.id)), ...bundlesOf(context)];
  for (const paths of found) {
    using lock = store.locks.tryOf(taskLock(paths.namespace, paths.id));
    const row = lock && store.db.read((tx) => findTask(tx, paths.namespace, paths.id));
    if (lock === undefined || (row !== undefined && row.pid !== 0n)) continue;
    await undoCreate(context, paths, signal).catch(() => signal.throwIfAborted());
  }
}

function bundlesOf({ store }: TaskContext): readonly TaskPaths[] {
  const bundles = dirname(dirname(taskPaths(store, "n", "i").bundle));
  // A name that begins with a dot is a bundle half removed; the next removal of that id takes it along.
  const visible = (dir: string) => namesIn(dir).filter((name) => !name.startsWith("."));
  return visible(bundles).flatMap((namespace) =>
    visible(`${bundles}/${namespace}`).map((id) => taskPaths(store, namespace, id)),
  );
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    // Removed meanwhile, or not made yet: nothing is in it.
    return [];
  }
}
