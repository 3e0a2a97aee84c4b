/** Labels of a container that the restart monitor reads and, of `count`, writes. Engine reference: 22.3. */
export const RESTART = {
  /** What the container's task shall be: `running` or `stopped`. */
  status: "containerd.io/restart.status",
  policy: "containerd.io/restart.policy",
  /** How often it was started again. */
  count: "containerd.io/restart.count",
  /** Where a task that is started again writes to. */
  logUri: "containerd.io/restart.loguri",
  explicitlyStopped: "containerd.io/restart.explicitly-stopped",
} as const;

export type RestartLabels = Readonly<Record<string, string>>;

/** A container's task as it is: whether there is one that runs, and how the last one ended. */
export interface TaskNow {
  readonly status: "none" | "running" | "stopped" | "other";
  readonly exitStatus: number;
}

/** What is to be done about a container; its labels decide. A policy nobody knows is taken for `no`. */
export function restartAction(labels: RestartLabels, task: TaskNow): "start" | "stop" | "leave" {
  const wanted = labels[RESTART.status];
  if (wanted === "stopped") return task.status === "running" || task.status === "other" ? "stop" : "leave";
  if (wanted !== "running" || task.status === "running" || task.status === "other") return "leave";
  return shouldStart(labels, task) ? "start" : "leave";
}

/** How often the container was started again. */
export function restartCount(labels: RestartLabels): number {
  const count = Number(labels[RESTART.count] ?? "0");
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function shouldStart(labels: RestartLabels, task: TaskNow): boolean {
  const [name = "", most = ""] = (labels[RESTART.policy] ?? "always").split(":");
  if (name === "" || name === "always") return true;
  if (name === "unless-stopped") return labels[RESTART.explicitlyStopped] !== "true";
  if (name !== "on-failure" || !/^\d*$/.test(most)) return false;
  const limit = Number(most);
  // A task that is gone without a trace has failed, too: its machine was switched off, say.
  const failed = task.status === "none" || task.exitStatus !== 0;
  return failed && (limit === 0 || restartCount(labels) < limit);
}
