import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError, type mountTypes, type protobufAny, taskV2 } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import { bundleExists, fillBundle, writeShimAddress } from "./bundle.ts";
import { joinSandbox, type TaskEndpoint } from "./sandbox-join.ts";
import type { ShimConnection } from "./shim-connection.ts";
import { type StartedShim, startDirectly } from "./shim-direct.ts";
import { startShim } from "./shim-start.ts";
import { buryTask, isShimGone, undoCreate } from "./task-cleanup.ts";
import { shimCall, shimCommand, type TaskContext } from "./task-context.ts";
import { finishDelete } from "./task-delete.ts";
import { type EarlyTask, recordTask } from "./task-early.ts";
import { runcRoot, type TaskPaths, taskLock, taskPaths } from "./task-paths.ts";
import { activateRootfs } from "./task-rootfs.ts";
import { findTask, setTaskPid } from "./task-rows.ts";
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
  const paths = taskPaths(store, task.namespace, task.id);
  const early = await context.early.take(paths);
  using _lock = early?.lock ?? (await store.locks.of(taskLock(task.namespace, task.id), { signal }));
  if (early === undefined) await clearTheWay(context, paths, signal);
  const plan = await beginTask(context, paths, { container, task, early });
  try {
    const pid = await launch(context, paths, plan, task, signal);
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

/** What is known of a task once its bundle and row are there. */
interface Plan {
  readonly runtime: TaskRuntime;
  readonly spec: protobufAny.Any;
  /** The sandbox of its container; "" without one. */
  readonly sandbox: string;
  readonly endpoint: TaskEndpoint;
  /** Started early. */
  readonly shim?: StartedShim | undefined;
}

/** Goes on from what was begun early where that is what the task needs, and begins anew where it is not. */
async function beginTask(
  context: TaskContext,
  paths: TaskPaths,
  from: { readonly container: TaskContainer; readonly task: CreateTask; readonly early: EarlyTask | undefined },
): Promise<Plan> {
  const { container, task, early } = from;
  try {
    const plan = planOf(context, container, task);
    const { runtime, sandbox, endpoint } = plan;
    const isOwn = sandbox === "" && endpoint.address === "";
    if (early !== undefined && runtime.direct && isOwn && early.binary === runtime.binary) {
      return { ...plan, shim: early.shim };
    }
    await early?.forget();
    await recordTask(context, paths, runtime.binary);
    return plan;
  } catch (error) {
    await early?.forget().catch(() => {
      // The error that led here is the one to see; what is left is what a killed process leaves.
    });
    throw error;
  }
}

function planOf({ store, searchPath }: TaskContext, container: TaskContainer, task: CreateTask): Plan {
  const runtime = resolveRuntime(container, { ...task, runcRoot: runcRoot(store), searchPath });
  if (runtime.runc) refuseLoneStdin(task);
  const { endpoint = { address: "", version: 0 } } = task;
  return { runtime, spec: specOf(container, task.id), sandbox: container.sandbox ?? "", endpoint };
}

async function launch(
  context: TaskContext,
  paths: TaskPaths,
  plan: Plan,
  task: CreateTask,
  signal: AbortSignal,
): Promise<number> {
  const endpoint = await context.events();
  const connecting = connectedShim(context, paths, plan, signal);
  const requesting = createRequest(context, paths, plan, task, signal);
  // Whatever fails, both are over before anything is undone.
  await Promise.allSettled([connecting, requesting]);
  const [{ shim, own }, request] = [await connecting, await requesting];
  const event = { namespace: task.namespace, topic: "/tasks/create", id: task.id };
  const creating = endpoint.expect(event, () => shim.task.create(request, shimCall(task.namespace, signal)));
  await Promise.allSettled([creating, own?.settle()]);
  return (await creating).pid;
}

/** Fills the bundle while the shim starts. */
async function createRequest(
  context: TaskContext,
  paths: TaskPaths,
  { runtime, spec }: Plan,
  task: CreateTask,
  signal: AbortSignal,
): Promise<taskV2.CreateTaskRequest> {
  fillBundle(paths, { spec, runc: runtime.runc });
  failpoint("task.filled");
  const rootfs = await activateRootfs(context, paths, { rootfs: task.rootfs, shim: runtime.binary }, signal);
  const { id, stdin, stdout, stderr, terminal } = task;
  const checkpoint = await dumpDirectory(paths, task.restore);
  return taskV2.CreateTaskRequest.fromPartial({
    ...{ id, stdin, stdout, stderr, terminal, checkpoint },
    bundle: paths.bundle,
    rootfs: rootfs.map((mount) => ({ ...mount, options: [...mount.options] })),
    options: runtime.options,
  });
}

/** The shim that is to create the container: that of its sandbox, one that is started for it, or was already. */
async function connectedShim(
  context: TaskContext,
  paths: TaskPaths,
  { runtime, sandbox, endpoint, shim: early }: Plan,
  signal: AbortSignal,
): Promise<{ readonly shim: ShimConnection; readonly own: StartedShim | undefined }> {
  const command = shimCommand(context, paths, runtime.binary, signal);
  const joined = joinSandbox(context, paths, { sandbox, endpoint });
  const own = joined || !runtime.direct ? undefined : (early ?? startDirectly(command));
  const answering = await own?.answers(signal);
  failpoint("task.shim");
  if (answering !== undefined) context.shims.adopt(paths, answering.connection);
  // The file by which runc's shim knows its own socket says all there is to say of one of version 2.
  if (answering === undefined || answering.address.version !== 2) {
    writeShimAddress(paths.bundle, answering?.address ?? joined ?? (await startShim(command, runtime.options)));
  }
  failpoint("task.address");
  const shim = await context.shims.connect(paths, signal);
  return { shim, own: answering === undefined ? undefined : own };
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
