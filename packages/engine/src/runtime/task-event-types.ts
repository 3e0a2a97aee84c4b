import { type AnyType, taskEvents } from "@ctr/api";

export const TASK_EXIT: AnyType<"containerd.events.TaskExit"> = {
  typeUrl: "containerd.events.TaskExit",
  codec: taskEvents.TaskExit,
};

export const TASK_DELETE: AnyType<"containerd.events.TaskDelete"> = {
  typeUrl: "containerd.events.TaskDelete",
  codec: taskEvents.TaskDelete,
};

/** Nothing but the container's id, which is the first field of every task event. */
export const TASK_PAUSED: AnyType<"containerd.events.TaskPaused"> = {
  typeUrl: "containerd.events.TaskPaused",
  codec: taskEvents.TaskPaused,
};
