import { ContainerdError } from "@ctr/api";
import type { Store } from "../store/store.ts";
import { defaultLibexec, shimSearchPath } from "./shim-binary.ts";
import { Shims } from "./shims.ts";
import { undoCreate } from "./task-cleanup.ts";
import { EarlyTasks } from "./task-early.ts";
import type { TaskPaths } from "./task-paths.ts";

const UNDO_MS = 15_000;

/** Removes what is left of a task whose creator is no more, for who has no task manager. The caller holds its lock. */
export async function undoUnfinished(store: Store, paths: TaskPaths): Promise<void> {
  await using shims = new Shims(store);
  const context = {
    store,
    shims,
    containers: () => undefined,
    early: new EarlyTasks(),
    searchPath: shimSearchPath(defaultLibexec()),
    afterwards: () => undefined,
    events: () =>
      Promise.reject(new ContainerdError({ code: "internal", what: "what is removed has nothing to tell of" })),
  };
  await undoCreate(context, paths, AbortSignal.timeout(UNDO_MS));
}
