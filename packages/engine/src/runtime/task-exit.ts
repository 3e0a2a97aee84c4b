import { decodeAnyOf, taskTypes, type taskV2 } from "@ctr/api";
import type { ReadTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { TASK_EXIT } from "./task-event-types.ts";
import { type Exit, findTask, recordExit, type TaskRow } from "./task-rows.ts";

/** The part of a shim's answers that tells of an end. */
export type ExitAnswer = Pick<taskV2.StateResponse, "pid" | "exitStatus" | "exitedAt">;

export function exitOf({ pid, exitStatus, exitedAt = { seconds: 0n, nanos: 0 } }: ExitAnswer): Exit {
  return { pid, exitStatus, exitedAt };
}

/** Whether a shim says of a task that it has stopped, and the row does not know yet. */
export function isNewExit(row: TaskRow, state: taskV2.StateResponse): boolean {
  return state.status === taskTypes.Status.STOPPED && row.exit_status === null;
}

/** Records and tells the end of a task whose shim says that it has stopped, unless that is known already. */
export function recordState(store: Store, row: TaskRow, state: taskV2.StateResponse): void {
  if (!isNewExit(row, state)) return;
  store.db.writeUnsynced((tx) => recordExit(store, tx, row, exitOf(state)));
}

/** Records and tells how a task ended, unless its row says so already: a transaction takes longer than a look. */
export function rememberExit(store: Store, { namespace, id }: TaskRow, exit: Exit): void {
  const known = store.db.read((tx) => findTask(tx, namespace, id))?.exit_status ?? null;
  if (known === null) store.db.writeUnsynced((tx) => recordExit(store, tx, { namespace, id }, exit));
}

interface ExitRow {
  readonly value: Uint8Array;
}

/** How far back the end of a process is looked for; it is told of moments before anyone asks. */
const LOOK_BACK = 500;

/** How a process ended according to the journal; undefined when that does not say. */
export function findExit(
  tx: ReadTx,
  key: { readonly namespace: string; readonly id: string; readonly execId?: string },
): Exit | undefined {
  const rows = tx.all<ExitRow>(
    "SELECT value FROM events WHERE namespace = ? AND topic = '/tasks/exit' ORDER BY seq DESC LIMIT ?",
    key.namespace,
    LOOK_BACK,
  );
  for (const { value } of rows) {
    const exit = decodeAnyOf(TASK_EXIT, { typeUrl: TASK_EXIT.typeUrl, value });
    if (exit?.exitedAt && exit.containerId === key.id && exit.id === (key.execId || key.id)) {
      return { pid: exit.pid, exitStatus: exit.exitStatus, exitedAt: exit.exitedAt };
    }
  }
  return undefined;
}
