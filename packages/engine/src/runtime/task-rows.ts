import { type protobufTimestamp, taskEvents } from "@ctr/api";
import { publish } from "../events/journal.ts";
import { nanosOf } from "../store/clock.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";

/** What the store knows of a task: all of the rest is asked of its shim. */
export interface TaskRow {
  readonly namespace: string;
  readonly id: string;
  readonly bundle: string;
  /** 0 until the shim has created the container; `UNBORN` from then on where its process comes only with the start. */
  readonly pid: bigint;
  readonly exit_status: bigint | null;
  readonly exited_at: bigint | null;
}

/** The pid of a task that is restored: there is a container, and no process before it is started. */
export const UNBORN = -1n;

/** The pid of a task's first process; 0 where there is none yet. */
export function pidOfRow({ pid }: Pick<TaskRow, "pid">): number {
  return pid === UNBORN ? 0 : Number(pid);
}

/** How a process ended. */
export interface Exit {
  readonly pid: number;
  readonly exitStatus: number;
  readonly exitedAt: protobufTimestamp.Timestamp;
}

const COLUMNS = "namespace, id, bundle, pid, exit_status, exited_at";

export function findTask(tx: ReadTx, namespace: string, id: string): TaskRow | undefined {
  const sql = `SELECT ${COLUMNS} FROM tasks WHERE namespace = ? AND id = ? AND exec_id = ''`;
  return tx.get<TaskRow>(sql, namespace, id);
}

/** The tasks of a namespace, or of all of them, in the order of their ids. */
export function listTasks(tx: ReadTx, namespace?: string): readonly TaskRow[] {
  const sql = `SELECT ${COLUMNS} FROM tasks WHERE exec_id = '' AND (?1 IS NULL OR namespace = ?1) ORDER BY namespace, id`;
  return tx.all<TaskRow>(sql, namespace ?? null);
}

/** Written before the shim is started: whatever happens after, somebody will look for what is left of it. */
export function insertTask(tx: WriteTx, row: { namespace: string; id: string; bundle: string; now: bigint }): void {
  const sql = "INSERT INTO tasks (namespace, id, bundle, created_at) VALUES (?, ?, ?, ?)";
  tx.run(sql, row.namespace, row.id, row.bundle, row.now);
}

/** What the shim said when it had created the container. */
export function setTaskPid(tx: WriteTx, { namespace, id }: TaskKey, pid: number): void {
  const known = pid === 0 ? UNBORN : pid;
  tx.run("UPDATE tasks SET pid = ? WHERE namespace = ? AND id = ? AND exec_id = ''", known, namespace, id);
}

/** What it said when it had started a task that was restored. */
export function setBornPid(tx: WriteTx, { namespace, id }: TaskKey, pid: number): void {
  const sql = "UPDATE tasks SET pid = ? WHERE namespace = ? AND id = ? AND exec_id = '' AND pid = ?";
  tx.run(sql, pid, namespace, id, UNBORN);
}

export function deleteTask(tx: WriteTx, namespace: string, id: string): void {
  tx.run("DELETE FROM tasks WHERE namespace = ? AND id = ?", namespace, id);
}

/** The exit that a row remembers. */
export function exitOfRow(row: TaskRow): Exit | undefined {
  if (row.exit_status === null || row.exited_at === null) return undefined;
  const nanos = row.exited_at;
  const exitedAt = { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) };
  return { pid: pidOfRow(row), exitStatus: Number(row.exit_status), exitedAt };
}

/** Remembers how a task ended and tells of it, once, whoever noticed. */
export function recordExit(store: Store, tx: WriteTx, task: TaskKey, exit: Exit): void {
  const { namespace, id } = task;
  // Deleted before it was started: its "end" is Go's zero time, and is told by nobody.
  if (exit.exitedAt.seconds <= 0n) return;
  const sql = `UPDATE tasks SET exit_status = ?, exited_at = ?, exit_published = 1
    WHERE namespace = ? AND id = ? AND exec_id = '' AND exit_published = 0 AND pid IN (?, ?)`;
  tx.run(sql, exit.exitStatus, nanosOf(exit.exitedAt), namespace, id, exit.pid, UNBORN);
  publishExit(store, tx, task, id, exit);
}

/** Tells, once, that a process ended: `processId` is the task's own id or that of the exec. */
export function publishExit(
  store: Store,
  tx: WriteTx,
  { namespace, id }: TaskKey,
  processId: string,
  exit: Exit,
): void {
  const message = taskEvents.TaskExit.fromPartial({ containerId: id, id: processId, ...exit });
  const event = { typeUrl: "containerd.events.TaskExit", value: taskEvents.TaskExit.encode(message).finish() };
  const once = onceOfExit("/tasks/exit", namespace, id, processId, exit.exitedAt);
  publish(store, tx, { namespace, topic: "/tasks/exit", event, once });
}

/** Tells, once, that a task is gone. */
export function publishDelete(store: Store, tx: WriteTx, { namespace, id }: TaskKey, exit: Exit): void {
  const message = taskEvents.TaskDelete.fromPartial({ containerId: id, ...exit });
  const event = { typeUrl: "containerd.events.TaskDelete", value: taskEvents.TaskDelete.encode(message).finish() };
  const once = onceOfExit("/tasks/delete", namespace, id, id, exit.exitedAt);
  publish(store, tx, { namespace, topic: "/tasks/delete", event, once });
}

/** What makes one exit or delete event the same whoever tells of it. */
export function onceOfExit(
  topic: string,
  namespace: string,
  id: string,
  processId: string,
  at: protobufTimestamp.Timestamp | undefined,
): string {
  return `${topic} ${namespace} ${id} ${processId || id} ${at === undefined ? 0n : nanosOf(at)}`;
}

export interface TaskKey {
  readonly namespace: string;
  readonly id: string;
}
