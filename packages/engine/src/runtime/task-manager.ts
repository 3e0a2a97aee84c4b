import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError, hasCode, type protobufAny, taskTypes, type taskV2 } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import type { Store } from "../store/store.ts";
import type { Dump } from "./checkpoint-content.ts";
import { type EventsEndpoint, openEventsEndpoint } from "./events-endpoint.ts";
import type { SandboxManager } from "./sandbox-manager.ts";
import { defaultLibexec, shimSearchPath } from "./shim-binary.ts";
import { type ShimConnection, ShimGoneError, type TaskClient } from "./shim-connection.ts";
import { Shims } from "./shims.ts";
import { buryTask, isShimGone } from "./task-cleanup.ts";
import { type ContainerSource, shimCall, type TaskContext, taskNotFound } from "./task-context.ts";
import { type CreateTask, createTask } from "./task-create.ts";
import { deleteTaskAndShim, finishDelete } from "./task-delete.ts";
import { EarlyTasks, type ExpectedTask } from "./task-early.ts";
import { exitOf, findExit, isNewExit, recordState, rememberExit } from "./task-exit.ts";
import { taskLock, taskPaths } from "./task-paths.ts";
import { removeDebris } from "./task-reconcile.ts";
import {
  type Exit,
  findTask,
  listTasks,
  pidOfRow,
  publishExit,
  setBornPid,
  type TaskRow,
  UNBORN,
} from "./task-rows.ts";

export interface TaskManagerOptions {
  readonly store: Store;
  readonly containers: ContainerSource;
  /** Where shims are looked for besides PATH; our libexec directories without it. */
  readonly libexec?: readonly string[];
}

/** A process of a task: its first one has `execId` "". */
export interface ProcessKey {
  readonly namespace: string;
  readonly id: string;
  readonly execId?: string;
}

interface Cancel {
  readonly signal: AbortSignal;
}

/** containerd asks for a state no longer than this. */
const STATE_TIMEOUT_MS = 2000;

/**
 * The tasks of a store. What runs is the shims' business, and goes on without this; the manager starts them, finds them
 * again by their bundles, passes calls on, and buries the dead. Disposing closes connections and ends no task.
 */
export class TaskManager implements AsyncDisposable {
  readonly #context: TaskContext;
  readonly #closing = new AbortController();
  /** Waits under way, with the pid of an exec that was started since. */
  readonly #waits = new Set<{ readonly key: ProcessKey; pid: number | undefined }>();
  readonly #pending = new Set<Promise<void>>();
  #endpoint: Promise<EventsEndpoint> | undefined;

  constructor({ store, containers, libexec = defaultLibexec() }: TaskManagerOptions) {
    const shims = new Shims(store);
    const events = () => this.serveEvents();
    const early = new EarlyTasks();
    const afterwards = (work: Promise<void>) => this.#afterwards(work);
    this.#context = { store, containers, shims, early, searchPath: shimSearchPath(libexec), events, afterwards };
  }

  /** The sandboxes of the same store, over the same connections. */
  async sandboxes(): Promise<SandboxManager> {
    return new (await import("./sandbox-manager.ts")).SandboxManager(this.#context);
  }

  /** Takes what shims tell into the journal, now or as soon as no other process does. Every call that changes a task begins with it. */
  serveEvents(): Promise<EventsEndpoint> {
    this.#endpoint ??= openEventsEndpoint(this.#context.store, { signal: this.#closing.signal });
    return this.#endpoint;
  }

  /** Says that a task is about to be created, so that its shim may start meanwhile. Fails never. */
  expect(task: ExpectedTask): void {
    this.#context.early.expect(this.#context, task, this.#closing.signal);
  }

  /** Creates a task of a container and returns the pid of its first process, which waits to be started. */
  async create(task: CreateTask, { signal }: Cancel): Promise<number> {
    return await createTask(this.#context, this.#container(task.namespace, task.id), task, signal);
  }

  /** Starts a created process; returns its pid. */
  async start(key: ProcessKey, { signal }: Cancel): Promise<number> {
    const topic = key.execId ? "/tasks/exec-started" : "/tasks/start";
    const started = await this.tell(key, topic, { signal }, async (task, options) => {
      const answer = await task.start({ id: key.id, execId: key.execId ?? "" }, options);
      for (const wait of this.#waits) if (isSame(wait.key, key)) wait.pid = answer.pid;
      return answer;
    });
    failpoint("task.started");
    const { store } = this.#context;
    const born = !key.execId && store.db.read((tx) => findTask(tx, key.namespace, key.id))?.pid === UNBORN;
    if (born) store.db.writeUnsynced((tx) => setBornPid(tx, key, started.pid));
    return started.pid;
  }

  /** Passes a call on to the task's shim. `not_found` when there is no task, or its shim turns out to be dead. */
  async call<T>(key: ProcessKey, { signal }: Cancel, call: ShimCall<T>): Promise<T> {
    this.#container(key.namespace, key.id);
    const row = this.#row(key);
    const shim = await this.#shim(row, signal);
    try {
      return await call(shim.task, shimCall(key.namespace, signal));
    } catch (error) {
      if (shim.isClosed) await this.#buryIfDead(row, signal);
      throw error;
    }
  }

  /** The same for a call whose success its shim tells of as `topic`. */
  async tell<T>(key: ProcessKey, topic: string, options: Cancel, call: ShimCall<T>): Promise<T> {
    const endpoint = await this.serveEvents();
    return await endpoint.expect({ ...key, topic }, () => this.call(key, options, call));
  }

  /** Has a task dumped into a directory of its own, which is gone once `use` is done with it. */
  async dump<T>(
    key: ProcessKey,
    options: Cancel & { readonly options: protobufAny.Any | undefined },
    use: (dump: Dump) => Promise<T>,
  ): Promise<T> {
    const { spec } = this.#container(key.namespace, key.id);
    const { id } = this.#row(key);
    const dir = join(taskPaths(this.#context.store, key.namespace, id).work, `dump-${crypto.randomUUID()}`);
    // Beside what CRIU works with; what a killed process leaves goes with the task.
    mkdirSync(dir, { mode: 0o700 });
    try {
      await this.call(key, options, (task, call) => task.checkpoint({ id, path: dir, options: options.options }, call));
      failpoint("task.dumped");
      return await use({ id, dir, spec });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  /** The state of a process. A shim that fails in an unforeseen way leaves it at status UNKNOWN, as in containerd. */
  async state(key: ProcessKey, { signal }: Cancel): Promise<taskTypes.Process> {
    this.#container(key.namespace, key.id);
    return await this.#stateOf(this.#row(key), key.execId ?? "", signal);
  }

  /** The states of all tasks of a namespace; those whose shim does not answer are left out. */
  async list(namespace: string, { signal }: Cancel): Promise<readonly taskTypes.Process[]> {
    const rows = this.#context.store.db.read((tx) => listTasks(tx, namespace)).filter((row) => row.pid !== 0n);
    const states = await Promise.allSettled(rows.map((row) => this.#stateOf(row, "", signal)));
    signal.throwIfAborted();
    return states.flatMap((state) => (state.status === "fulfilled" ? [state.value] : []));
  }

  /** The ids of all tasks of a namespace. */
  ids(namespace: string): readonly string[] {
    const rows = this.#context.store.db.read((tx) => listTasks(tx, namespace));
    return rows.filter((row) => row.pid !== 0n).map((row) => row.id);
  }

  /**
   * Waits for a process to end, however long that takes. A lost connection decides nothing: the row is read again under
   * the task's lock, and a shim that lives is asked again.
   */
  async wait(key: ProcessKey, { signal }: Cancel): Promise<Exit> {
    await this.serveEvents();
    this.#container(key.namespace, key.id);
    for (let first = true; ; first = false) {
      const row = this.#context.store.db.read((tx) => findTask(tx, key.namespace, key.id));
      if (row === undefined || row.pid === 0n) return this.#exitOfGone(key, first);
      const exit = await this.#waitOnce(row, key, signal);
      if (exit) return exit;
    }
  }

  /** Deletes a task that has ended, or never was started, and its shim. */
  async delete(key: ProcessKey, { signal }: Cancel): Promise<Exit> {
    await this.serveEvents();
    this.#container(key.namespace, key.id);
    return await deleteTaskAndShim(this.#context, key, signal);
  }

  /** Deletes an exec that has ended. */
  async deleteProcess(key: ProcessKey, options: Cancel): Promise<Exit> {
    const { store } = this.#context;
    const gone = await this.call(key, options, (task, call) =>
      task.delete({ id: key.id, execId: key.execId ?? "" }, call),
    );
    const exit = exitOf(gone);
    // A process that never was started has no end to tell of.
    if (exit.pid === 0) return exit;
    await (await this.serveEvents()).told(key);
    store.db.writeUnsynced((tx) => publishExit(store, tx, key, key.execId ?? "", exit));
    return exit;
  }

  /**
   * Looks after all tasks: ends that nobody saw are recorded and told, the dead are buried, debris goes. For a process that is about
   * to tell others of events, or has just become the one that does.
   */
  async reconcile({ signal }: Cancel): Promise<void> {
    await this.serveEvents();
    const rows = this.#context.store.db.read((tx) => listTasks(tx)).filter((row) => row.pid !== 0n);
    await Promise.allSettled(rows.map((row) => this.#stateOf(row, "", signal)));
    await removeDebris(this.#context, signal);
    signal.throwIfAborted();
  }

  #afterwards(work: Promise<void>): void {
    const settled = work.catch(() => undefined).finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.early[Symbol.asyncDispose]();
    await this.#context.shims[Symbol.asyncDispose]();
    const endpoint = await this.#endpoint?.catch(() => undefined);
    await endpoint?.[Symbol.asyncDispose]();
    await Promise.all(this.#pending);
    this.#closing.abort();
  }

  /** containerd looks for the container first, whatever the call. */
  #container(namespace: string, id: string) {
    const { store, containers } = this.#context;
    const container = store.db.read((tx) => containers(tx, namespace, id));
    if (container) return container;
    throw new ContainerdError({ code: "not_found", what: `container ${id}` });
  }

  #row({ namespace, id }: ProcessKey): TaskRow {
    const row = this.#context.store.db.read((tx) => findTask(tx, namespace, id));
    if (row === undefined || row.pid === 0n) throw taskNotFound(id);
    return row;
  }

  async #shim(row: TaskRow, signal: AbortSignal): Promise<ShimConnection> {
    try {
      return await this.#context.shims.connect(taskPaths(this.#context.store, row.namespace, row.id), signal);
    } catch (error) {
      if (!(error instanceof ShimGoneError)) throw error;
      await this.#buryIfDead(row, signal);
      throw taskNotFound(row.id);
    }
  }

  /** Takes the lock and looks again before it concludes anything: another process may have deleted or remade the task. */
  async #buryIfDead({ namespace, id }: TaskRow, signal: AbortSignal): Promise<Exit | undefined> {
    const { store } = this.#context;
    using _lock = await store.locks.of(taskLock(namespace, id), { signal });
    const row = store.db.read((tx) => findTask(tx, namespace, id));
    if (row === undefined || row.pid === 0n) return undefined;
    if (!(await isShimGone(this.#context, taskPaths(store, namespace, id), signal))) return undefined;
    return await buryTask(this.#context, row, signal);
  }

  /** A shim without the container of a row that is not being deleted now: whoever deleted it was killed. */
  async #finishDelete({ namespace, id }: TaskRow, signal: AbortSignal): Promise<void> {
    const { store } = this.#context;
    using _lock = await store.locks.of(taskLock(namespace, id), { signal });
    const row = store.db.read((tx) => findTask(tx, namespace, id));
    if (row !== undefined && row.pid !== 0n) await finishDelete(this.#context, row, signal);
  }

  async #stateOf(row: TaskRow, execId: string, signal: AbortSignal): Promise<taskTypes.Process> {
    const { store } = this.#context;
    const shim = await this.#shim(row, signal);
    const processId = execId || row.id;
    try {
      const state = await shim.task.state({ id: row.id, execId }, shimCall(row.namespace, signal, STATE_TIMEOUT_MS));
      if (execId === "" && isNewExit(row, state)) {
        await (await this.serveEvents()).told(row);
        recordState(store, row, state);
      }
      return processOf(processId, state);
    } catch (error) {
      if (shim.isClosed) {
        await this.#buryIfDead(row, signal);
        throw taskNotFound(row.id);
      }
      if (execId === "" && hasCode(error, "not_found")) await this.#finishDelete(row, signal);
      if (hasCode(error, "not_found", "unavailable", "deadline_exceeded", "cancelled")) throw error;
      return taskTypes.Process.fromPartial({ id: processId });
    }
  }

  /** One try; undefined when the connection was lost and a living shim, or nobody, is there to ask again. */
  async #waitOnce(row: TaskRow, key: ProcessKey, signal: AbortSignal): Promise<Exit | undefined> {
    const { store, shims } = this.#context;
    const execId = key.execId ?? "";
    let shim: ShimConnection;
    try {
      shim = await shims.connect(taskPaths(store, row.namespace, row.id), signal);
    } catch (error) {
      if (!(error instanceof ShimGoneError)) throw error;
      return await this.#buryIfDead(row, signal);
    }
    const wait = { key, pid: undefined };
    this.#waits.add(wait);
    try {
      const answer = await shim.task.wait({ id: row.id, execId }, shimCall(row.namespace, signal));
      // Read again: one that is restored has its pid only since it was started.
      const now = store.db.read((tx) => findTask(tx, row.namespace, row.id)) ?? row;
      const pid = execId === "" ? pidOfRow(now) : (wait.pid ?? (await execPid(shim.task, row, execId, signal)));
      const exit = exitOf({ ...answer, pid });
      await (await this.serveEvents()).told(row);
      if (execId === "") rememberExit(store, row, exit);
      else if (pid > 0) store.db.writeUnsynced((tx) => publishExit(store, tx, row, execId, exit));
      return exit;
    } catch (error) {
      if (!shim.isClosed) throw error;
      return await this.#buryIfDead(row, signal);
    } finally {
      this.#waits.delete(wait);
    }
  }

  /** Another process deleted the task while this one waited: the journal tells how it ended. */
  #exitOfGone(key: ProcessKey, neverSeen: boolean): Exit {
    const exit = neverSeen ? undefined : this.#context.store.db.read((tx) => findExit(tx, key));
    if (exit) return exit;
    throw taskNotFound(key.id);
  }
}

/** One call to a shim. */
export type ShimCall<T> = (task: TaskClient, options: ReturnType<typeof shimCall>) => Promise<T>;

function isSame(one: ProcessKey, other: ProcessKey): boolean {
  return one.namespace === other.namespace && one.id === other.id && (one.execId ?? "") === (other.execId ?? "");
}

/** The pid of an exec that has ended; 0 when it is deleted already, and its end told of. */
async function execPid(task: TaskClient, row: TaskRow, execId: string, signal: AbortSignal): Promise<number> {
  try {
    return (await task.state({ id: row.id, execId }, shimCall(row.namespace, signal, STATE_TIMEOUT_MS))).pid;
  } catch (error) {
    if (hasCode(error, "not_found")) return 0;
    throw error;
  }
}

function processOf(id: string, state: taskV2.StateResponse): taskTypes.Process {
  const { pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt } = state;
  return { containerId: "", id, pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt };
}
