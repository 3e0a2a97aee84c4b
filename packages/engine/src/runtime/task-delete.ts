import { hasCode } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import { removeAside, setBundleAside } from "./bundle.ts";
import type { ShimConnection } from "./shim-connection.ts";
import { buryTask, isShimGone, LIFE_SIGN_MS, shutDown, undoCreate } from "./task-cleanup.ts";
import { shimCall, type TaskContext, taskNotFound } from "./task-context.ts";
import { exitOf, isNewExit, recordState, rememberExit } from "./task-exit.ts";
import { type TaskPaths, taskLock, taskPaths } from "./task-paths.ts";
import { releaseRootfs } from "./task-rootfs.ts";
import { deleteTask, type Exit, exitOfRow, findTask, publishDelete, type TaskKey, type TaskRow } from "./task-rows.ts";

/**
 * Deletes a task that has ended or never was started, and then its shim, row and bundle. The shim decides whether the
 * task may go. A task whose shim is dead, or dies meanwhile, is buried instead.
 */
export async function deleteTaskAndShim(context: TaskContext, key: TaskKey, signal: AbortSignal): Promise<Exit> {
  const { store } = context;
  using _lock = await store.locks.of(taskLock(key.namespace, key.id), { signal });
  const row = store.db.read((tx) => findTask(tx, key.namespace, key.id));
  if (row === undefined) throw taskNotFound(key.id);
  const paths = taskPaths(store, key.namespace, key.id);
  if (row.pid === 0n) {
    await undoCreate(context, paths, signal);
    throw taskNotFound(key.id);
  }
  for (let attempt = 1; ; attempt++) {
    // One that is connected shows in the next call whether it lives.
    const gone = !(await context.shims.isConnected(paths)) && (await isShimGone(context, paths, signal));
    if (gone) return await buryTask(context, findTaskAgain(context, row), signal);
    const shim = await context.shims.connect(paths, signal);
    try {
      return await deleteLiving(context, shim, row, paths, signal);
    } catch (error) {
      if (!shim.isClosed || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/**
 * Ends a deletion whose process was killed midway: the shim let go of the container, the row and the bundle are there
 * still. The caller holds the task's lock. False when the shim has the container, or is no more.
 */
export async function finishDelete(context: TaskContext, row: TaskRow, signal: AbortSignal): Promise<boolean> {
  const paths = taskPaths(context.store, row.namespace, row.id);
  if (await isShimGone(context, paths, signal)) return false;
  const shim = await context.shims.connect(paths, signal);
  try {
    await shim.task.state({ id: row.id }, shimCall(row.namespace, signal));
    return false;
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
  }
  await deleteLiving(context, shim, row, paths, signal).catch((error: unknown) => {
    // Thrown where no row tells how the task ended; everything is gone then all the same.
    if (!hasCode(error, "not_found")) throw error;
  });
  return true;
}

/** A connection that breaks again and again, though its shim lives, is nothing that one more try would mend. */
const MAX_ATTEMPTS = 3;

/** The row as it is now: an attempt to delete the task may have learnt how it ended. */
function findTaskAgain({ store }: TaskContext, row: TaskRow): TaskRow {
  return store.db.read((tx) => findTask(tx, row.namespace, row.id)) ?? row;
}

async function deleteLiving(
  context: TaskContext,
  shim: ShimConnection,
  row: TaskRow,
  paths: TaskPaths,
  signal: AbortSignal,
): Promise<Exit> {
  const { store } = context;
  const { exit = exitOfRow(findTaskAgain(context, row)), error } = await deleteInShim(context, shim, row, signal);
  failpoint("task.deleted");
  // Remembered before the shim goes: should this process end right here, the next one still knows.
  if (exit) {
    await (await context.events()).told(row);
    rememberExit(store, row, exit);
  }
  failpoint("task.exit");
  await shutDown(context, paths, signal);
  failpoint("task.shim-gone");
  store.db.writeUnsynced((tx) => {
    if (exit) publishDelete(store, tx, row, exit);
    deleteTask(tx, row.namespace, row.id);
  });
  failpoint("task.unrecorded");
  context.afterwards(removeAside(paths, await setBundleAside(paths)));
  await releaseRootfs(context, paths, signal);
  failpoint("task.removed");
  if (exit === undefined) throw error;
  return exit;
}

/**
 * A shim that knows no such container has nothing to delete; what is left around it goes all the same. Its row tells how
 * it ended where an earlier deletion was interrupted.
 */
async function deleteInShim(
  { store, events }: TaskContext,
  { task }: ShimConnection,
  row: TaskRow,
  signal: AbortSignal,
): Promise<{ readonly exit?: Exit; readonly error?: unknown }> {
  const call = shimCall(row.namespace, signal);
  try {
    // The exit is lost with the shim's answer to Delete, so it is asked for before.
    const state = await task.state({ id: row.id }, shimCall(row.namespace, signal, LIFE_SIGN_MS));
    if (isNewExit(row, state)) await (await events()).told(row);
    recordState(store, row, state);
    return { exit: exitOf(await task.delete({ id: row.id }, call)) };
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
    return { error };
  }
}
