import { hasCode, taskV2 } from "@ctr/api";
import { timestampOf } from "../store/clock.ts";
import { bundleExists, removeBundle, removeDeadSocket } from "./bundle.ts";
import { type ShimConnection, ShimGoneError } from "./shim-connection.ts";
import { runDelete } from "./shim-process.ts";
import { killProcessesIn, leaves } from "./stray-processes.ts";
import { rememberedCommand, shimCall, type TaskContext } from "./task-context.ts";
import { type TaskPaths, taskPaths } from "./task-paths.ts";
import { releaseRootfs } from "./task-rootfs.ts";
import { deleteTask, type Exit, exitOfRow, pidOfRow, publishDelete, recordExit, type TaskRow } from "./task-rows.ts";

/** How long a shim may take to end when it is told to. */
const SHUTDOWN_MS = 3000;
const SIGKILL = 9;
/** What the exit of a process counts as when nobody can tell. */
const UNKNOWN_EXIT = 255;

/** How long a shim may take to say that it lives, as in containerd. */
export const LIFE_SIGN_MS = 5000;
/** Between two tries to reach a shim that hung up. */
const RETRY_MS = 5;

/**
 * Whether the shim is dead: nobody listens. One that lives says so; one that hangs up is asked again, as a process that is
 * being killed takes connections until its last thread is gone. An error that leaves it open is thrown, lest a living
 * shim be buried.
 */
export async function isShimGone(context: TaskContext, paths: TaskPaths, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + LIFE_SIGN_MS;
  for (;;) {
    const shim = await connectOrGone(context, paths, signal);
    if (shim === undefined) return true;
    try {
      await shim.greet(paths.id, shimCall(paths.namespace, signal, LIFE_SIGN_MS));
      return false;
    } catch (error) {
      if (!shim.isClosed) return refuseSilence(error);
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** A refusal is a sign of life; no answer is none, and proves nothing. */
function refuseSilence(error: unknown): false {
  if (hasCode(error, "deadline_exceeded", "cancelled", "unavailable")) throw error;
  return false;
}

async function connectOrGone(
  context: TaskContext,
  paths: TaskPaths,
  signal: AbortSignal,
): Promise<ShimConnection | undefined> {
  try {
    return await context.shims.connect(paths, signal);
  } catch (error) {
    if (error instanceof ShimGoneError) return undefined;
    throw error;
  }
}

/**
 * Buries a task whose shim is dead: its processes are killed, its container and mounts removed, its end is told, its
 * row and bundle go. The caller holds the task's lock and has seen that nobody answers.
 */
export async function buryTask(context: TaskContext, row: TaskRow, signal: AbortSignal): Promise<Exit> {
  const paths = taskPaths(context.store, row.namespace, row.id);
  const killed = await deleteByBinary(context, paths, signal);
  const exit = exitOfRow(row) ?? killed ?? unknownExit(context, row);
  context.store.db.writeUnsynced((tx) => {
    recordExit(context.store, tx, row, { ...exit, pid: pidOfRow(row) });
    publishDelete(context.store, tx, row, exit);
    deleteTask(tx, row.namespace, row.id);
  });
  await context.shims.drop(paths);
  if (!context.shims.isShared(paths)) removeDeadSocket(paths.bundle);
  await removeBundle(paths);
  await releaseRootfs(context, paths, signal);
  return exit;
}

/** Removes what is left of a task that never was: its creation failed, or the process that created it was killed. */
export async function undoCreate(context: TaskContext, paths: TaskPaths, signal: AbortSignal): Promise<void> {
  const alive = !(await isShimGone(context, paths, signal));
  const shared = context.shims.isShared(paths);
  if (alive) await endInShim(context, paths, signal);
  // A shim may be running, or just starting, whose address nobody lived to write down.
  else if (!shared) await killProcessesIn(paths.bundle);
  await deleteByBinary(context, paths, signal);
  if (alive) await shutDown(context, paths, signal);
  // The `start` of a process that was killed may not have ended, though the shim it started answered.
  if (alive && !shared) await killProcessesIn(paths.bundle);
  if (!shared) removeDeadSocket(paths.bundle);
  context.store.db.writeUnsynced((tx) => deleteTask(tx, paths.namespace, paths.id));
  await removeBundle(paths);
  await releaseRootfs(context, paths, signal);
}

/** Has a living shim let go of its container, as far as it will: one that holds any refuses to end. */
async function endInShim(context: TaskContext, paths: TaskPaths, signal: AbortSignal): Promise<void> {
  const { task } = await context.shims.connect(paths, signal);
  const { id } = paths;
  const call = shimCall(paths.namespace, signal, SHUTDOWN_MS);
  const steps = [
    () => task.kill({ id, signal: SIGKILL, all: true }, call),
    () => task.wait({ id }, call),
    () => task.delete({ id }, call),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      // The container may not have come to be, or be gone: the next step says, and the `delete` binary comes last.
      if (!hasCode(error, "not_found", "failed_precondition", "unknown", "deadline_exceeded", "unavailable"))
        throw error;
    }
  }
}

/**
 * Ends a shim that has nothing left to do, and waits until it is gone. One that does not go is killed, unless it serves
 * other tasks: such a one ignores the request, rightly.
 */
export async function shutDown(context: TaskContext, paths: TaskPaths, signal: AbortSignal): Promise<void> {
  const { shims } = context;
  const connection = await connectOrGone(context, paths, signal);
  if (connection === undefined) return;
  const shared = shims.isShared(paths);
  const shimPid = shared ? 0 : await pidOf(connection, paths, signal);
  try {
    await connection.task.shutdown({ id: paths.id }, shimCall(paths.namespace, signal, SHUTDOWN_MS));
  } catch (error) {
    // It may be gone before its answer is; anything else is seen by its still being there.
    if (!hasCode(error, "unavailable", "deadline_exceeded", "cancelled")) throw error;
  }
  const closes = shared || (await closesSoon(connection));
  const stays = !closes || (shimPid > 1 && !(await leaves(shimPid, paths.bundle, SHUTDOWN_MS)));
  await shims.drop(paths);
  // Asked anew before it is killed: only while somebody answers there is the pid certainly a shim's.
  if (stays && shimPid > 1 && !(await isShimGone(context, paths, signal))) process.kill(shimPid, "SIGKILL");
}

async function pidOf(connection: ShimConnection, paths: TaskPaths, signal: AbortSignal): Promise<number> {
  try {
    return connection.pid ?? (await connection.greet(paths.id, shimCall(paths.namespace, signal, SHUTDOWN_MS)));
  } catch {
    // Without its pid it can still be asked to go.
    return 0;
  }
}

function closesSoon(connection: ShimConnection): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), SHUTDOWN_MS);
    void connection.closed.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** The exit that the shim's `delete` reports; undefined when it could not be run or did not say. */
export async function deleteByBinary(
  context: TaskContext,
  paths: TaskPaths,
  signal: AbortSignal,
): Promise<Exit | undefined> {
  const command = rememberedCommand(context, paths, signal);
  if (command === undefined || !bundleExists(paths)) return undefined;
  try {
    const output = await runDelete(command);
    if (output.exitCode !== 0) return undefined;
    const { pid, exitStatus, exitedAt } = taskV2.DeleteResponse.decode(output.stdout);
    return exitedAt === undefined ? undefined : { pid, exitStatus, exitedAt };
  } catch (error) {
    signal.throwIfAborted();
    // The binary is gone or speaks nonsense: whatever it would have removed is looked for by other means.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function unknownExit({ store }: TaskContext, row: TaskRow): Exit {
  return { pid: pidOfRow(row), exitStatus: UNKNOWN_EXIT, exitedAt: timestampOf(store.clock.now()) };
}
