import type { FileLock } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { bundleExists, makeBundle, removeBundle } from "./bundle.ts";
import { resolveShimBinary } from "./shim-binary.ts";
import { type StartedShim, startDirectly } from "./shim-direct.ts";
import { shimCommand, type TaskContext } from "./task-context.ts";
import { type TaskPaths, taskLock, taskPaths } from "./task-paths.ts";
import { deleteTask, findTask, insertTask } from "./task-rows.ts";
import { isRuncName } from "./task-runtime.ts";

/** A task that somebody is about to create. */
export interface ExpectedTask {
  readonly namespace: string;
  readonly id: string;
  /** `io.containerd.runc.v2`, or what else a container's record has. */
  readonly runtime: string;
  /** Whether its container goes with it, so that there is garbage to collect at the end. */
  readonly isPassing: boolean;
}

/** What was made of a task before its creation: bundle, row and a starting shim, under the lock of the task. */
export interface EarlyTask {
  /** Passes to whoever takes it. */
  readonly lock: FileLock;
  readonly binary: string;
  readonly shim: StartedShim | undefined;
  /** Removes all of it but the lock. */
  forget(): Promise<void>;
}

/**
 * Tasks that are expected. Their shims start while container and snapshot are still being made: a Go program takes ten
 * milliseconds to begin (ADR 15). Whatever stands in the way means that nothing is done early, and is for the creation to
 * tell of. Disposing forgets those that were not created.
 */
export class EarlyTasks implements AsyncDisposable {
  readonly #begun = new Map<string, Promise<EarlyTask | undefined>>();

  expect(context: TaskContext, task: ExpectedTask, signal: AbortSignal): void {
    const paths = taskPaths(context.store, task.namespace, task.id);
    if (this.#begun.has(paths.bundle)) return;
    this.#begun.set(
      paths.bundle,
      begin(context, paths, task, signal).catch(() => undefined),
    );
  }

  /** Hands over what was begun of a task, if anything was. */
  async take({ bundle }: TaskPaths): Promise<EarlyTask | undefined> {
    const begun = this.#begun.get(bundle);
    this.#begun.delete(bundle);
    return await begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const begun = [...this.#begun.values()];
    this.#begun.clear();
    for (const each of begun) {
      const task = await each;
      // What cannot be removed now is what a killed process would leave: the next collection takes it.
      await task?.forget().catch(() => undefined);
      task?.lock[Symbol.dispose]();
    }
  }
}

async function begin(
  context: TaskContext,
  paths: TaskPaths,
  { namespace, id, runtime }: ExpectedTask,
  signal: AbortSignal,
): Promise<EarlyTask | undefined> {
  const { store } = context;
  if (process.geteuid?.() !== 0 || !isRuncName(runtime)) return undefined;
  const lock = store.locks.tryOf(taskLock(namespace, id));
  if (lock === undefined) return undefined;
  try {
    // Somebody's container, or what a killed process left of one.
    if (
      store.db.read((tx) => context.containers(tx, namespace, id) ?? findTask(tx, namespace, id)) ||
      bundleExists(paths)
    )
      return release(lock);
    const binary = resolveShimBinary(runtime, context.searchPath);
    let shim: StartedShim | undefined;
    const forget = async () => {
      await shim?.end();
      await forgetTask(context, paths);
    };
    try {
      makeNewBundle(paths, binary);
      shim = startDirectly(shimCommand(context, paths, binary, signal));
      failpoint("task.early");
      // While the shim begins: to write for the first time, and to open the endpoint, takes two milliseconds.
      await writeRow(context, paths);
      return { lock, binary, shim, forget };
    } catch (error) {
      await forget();
      throw error;
    }
  } catch (error) {
    release(lock);
    throw error;
  }
}

function release(lock: FileLock): undefined {
  lock[Symbol.dispose]();
  return undefined;
}

/**
 * The beginning of every task: the bundle, the row that says to look after it, and somebody to tell of events. Whoever calls
 * it has the task's lock, and has seen that there is no bundle.
 */
export async function recordTask(context: TaskContext, paths: TaskPaths, binary: string): Promise<void> {
  try {
    makeNewBundle(paths, binary);
    await writeRow(context, paths);
  } catch (error) {
    await forgetTask(context, paths).catch(() => {
      // The error that led here is the one to see; what is left is what a killed process leaves.
    });
    throw error;
  }
}

function makeNewBundle(paths: TaskPaths, binary: string): void {
  failpoint("task.lock");
  makeBundle(paths, binary);
  failpoint("task.bundle");
}

async function writeRow(context: TaskContext, paths: TaskPaths): Promise<void> {
  const { store } = context;
  store.db.writeUnsynced((tx) => insertTask(tx, { ...paths, now: store.clock.now() }));
  await context.events();
  failpoint("task.row");
}

/** Bundle first: on a full disk that is the one that goes. */
async function forgetTask({ store }: TaskContext, paths: TaskPaths): Promise<void> {
  await removeBundle(paths);
  store.db.writeUnsynced((tx) => deleteTask(tx, paths.namespace, paths.id));
}
