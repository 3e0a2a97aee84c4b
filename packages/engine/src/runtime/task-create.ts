import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError, type mountTypes, type protobufAny } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import { bundleExists, makeBundle, writeShimAddress } from "./bundle.ts";
import { joinSandbox, type TaskEndpoint } from "./sandbox-join.ts";
import { startDirectly } from "./shim-direct.ts";
import { startShim } from "./shim-start.ts";
import { buryTask, isShimGone, undoCreate } from "./task-cleanup.ts";
import { shimCall, shimCommand, type TaskContext } from "./task-context.ts";
import { finishDelete } from "./task-delete.ts";
import { runcRoot, type TaskPaths, taskLock, taskPaths } from "./task-paths.ts";
import { activateRootfs } from "./task-rootfs.ts";
import { findTask, insertTask, setTaskPid } from "./task-rows.ts";
import { resolveRuntime, type TaskContainer, type TaskRuntime } from "./task-runtime.ts";

/** A task to make. */
export interface CreateTask {
  readonly namespace: string;
  readonly id: string;
  readonly rootfs: readonly mountTypes.Mount[];
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  readonly restore: Restore;
  readonly options: protobufAny.Any | undefined;
  readonly runtimePath: string;
  /** Where the client has it made, if it says so. */
  readonly endpoint?: TaskEndpoint;
}

/** What a task begins with. */
export type Restore =
  | { readonly kind: "none" }
  /** CRIU's files, in a directory of the caller's. */
  | { readonly kind: "directory"; readonly path: string }
  /** CRIU's files, which `extract` puts into a directory of ours. */
  | { readonly kind: "content"; extract(dir: string): Promise<void> };

/** How long undoing a failed creation may take. */
const UNDO_MS = 15_000;

/**
 * Makes bundle and row, starts the shim and has it create the container. Returns the pid of its first process. What a
 * failure leaves is removed; what a killed process leaves, the next creation removes. `already_exists` while there is
 * a task of that id.
 */
export async function createTask(
  context: TaskContext,
  container: TaskContainer,
  task: CreateTask,
  signal: AbortSignal,
): Promise<number> {
  const { store } = context;
  refuseOrdinaryUser(task.id);
  using _lock = await store.locks.of(taskLock(task.namespace, task.id), { signal });
  const paths = taskPaths(store, task.namespace, task.id);
  await clearTheWay(context, paths, signal);
  const runtime = resolveRuntime(container, { ...task, runcRoot: runcRoot(store), searchPath: context.searchPath });
  if (runtime.runc) refuseLoneStdin(task);
  failpoint("task.lock");
  makeBundle(paths, { spec: specOf(container, task.id), shimBinary: runtime.binary, runc: runtime.runc });
  failpoint("task.bundle");
  store.db.writeUnsynced((tx) => insertTask(tx, { ...paths, now: store.clock.now() }));
  try {
    const pid = await launch(context, paths, { runtime, sandbox: container.sandbox ?? "" }, task, signal);
    failpoint("task.created");
    store.db.writeUnsynced((tx) => setTaskPid(tx, task, pid));
    failpoint("task.recorded");
    return pid;
  } catch (error) {
    // The caller may have given up; its debris goes all the same.
    await undoCreate(context, paths, AbortSignal.timeout(UNDO_MS)).catch((undoError: unknown) => {
      // The row stays, and with it the duty: the next creation or deletion tries again.
      if (error instanceof Error && error.cause === undefined) error.cause = undoError;
    });
    throw error;
  }
}

async function launch(
  context: TaskContext,
  paths: TaskPaths,
  { runtime, sandbox }: { readonly runtime: TaskRuntime; readonly sandbox: string },
  task: CreateTask,
  signal: AbortSignal,
): Promise<number> {
  const endpoint = await context.events();
  const rootfs = await activateRootfs(context, paths, { rootfs: task.rootfs, shim: runtime.binary }, signal);
  const command = shimCommand(context, paths, runtime.binary, signal);
  failpoint("task.row");
  const { endpoint: at = { address: "", version: 0 } } = task;
  const address =
    joinSandbox(context, paths, { sandbox, endpoint: at }) ??
    ((runtime.direct && (await startDirectly(command))) || (await startShim(command, runtime.options)));
  failpoint("task.shim");
  writeShimAddress(paths.bundle, address);
  failpoint("task.address");
  const shim = await context.shims.connect(paths, signal);
  const { id, stdin, stdout, stderr, terminal } = task;
  const checkpoint = await dumpDirectory(paths, task.restore);
  const request = {
    ...{ id, stdin, stdout, stderr, terminal, checkpoint },
    bundle: paths.bundle,
    rootfs: rootfs.map((mount) => ({ ...mount, options: [...mount.options] })),
    options: runtime.options,
  };
  const event = { namespace: task.namespace, topic: "/tasks/create", id };
  const { pid } = await endpoint.expect(event, () => shim.task.create(request, shimCall(task.namespace, signal)));
  return pid;
}

/** Where the shim finds CRIU's files, which it reads when the task is started: they stay for as long as the task is there. */
async function dumpDirectory({ work }: TaskPaths, restore: Restore): Promise<string> {
  switch (restore.kind) {
    case "none":
      return "";
    case "directory":
      return restore.path;
    case "content": {
      const dir = join(work, "checkpoint");
      mkdirSync(dir, { mode: 0o700 });
      await restore.extract(dir);
      failpoint("task.restored");
      return dir;
    }
    default:
      return restore satisfies never;
  }
}

/** Makes sure that nothing of an earlier task of this id is left. */
async function clearTheWay(context: TaskContext, paths: TaskPaths, signal: AbortSignal): Promise<void> {
  const row = context.store.db.read((tx) => findTask(tx, paths.namespace, paths.id));
  if (row === undefined ? bundleExists(paths) : row.pid === 0n) {
    // Whoever was creating it no longer holds the lock, and never told its client that there is a task.
    await undoCreate(context, paths, signal);
  } else if (row !== undefined) {
    if (await isShimGone(context, paths, signal)) await buryTask(context, row, signal);
    else if (!(await finishDelete(context, row, signal))) throw alreadyExists(paths.id);
  }
}

function alreadyExists(id: string): ContainerdError {
  return new ContainerdError({ code: "already_exists", what: `task ${id}` });
}

function specOf(container: TaskContainer, id: string): protobufAny.Any {
  if (container.spec) return container.spec;
  throw new ContainerdError({ code: "invalid_argument", what: `container ${id} has no spec` });
}

/** runc's shim would wait for ever: engine reference, 15.1. */
function refuseLoneStdin({ id, stdin, stdout, stderr, terminal }: CreateTask): void {
  if (stdin === "" || stdout !== "" || stderr !== "" || terminal) return;
  throw new ContainerdError({
    code: "invalid_argument",
    what: `cannot create task ${id}`,
    why: "it has a stdin, but neither stdout nor stderr",
    fix: "name all three, or none",
  });
}

/** Mounts, cgroups and runc's root all need it; without this the shim would fail later, and say less. */
function refuseOrdinaryUser(id: string): void {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return;
  throw new ContainerdError({
    code: "permission_denied",
    what: "cannot create task",
    where: { id },
    why: `running containers needs root, this is uid ${uid}`,
    fix: "run the command with sudo; pulling, pushing, importing and exporting images need no root",
  });
}
