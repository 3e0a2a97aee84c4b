import { type Channel, createClient, type ServiceClient } from "@ctr/rpc";
import { hasCode } from "./error.ts";
import { TaskDefinition } from "./gen/containerd/runtime/task/v2/shim.ts";

export type TaskClient = ServiceClient<typeof TaskDefinition>;

/** Version 3 has the messages of version 2 under another name. */
const TaskV3Definition = { ...TaskDefinition, fullName: "containerd.task.v3.Task" } as const;

export interface TaskClientOptions {
  /** Of the task API; 2 or 3. */
  readonly version: number;
  /** Whether a shim that says 3 and serves only 2 is met with 2 from then on; true without it. */
  readonly fallback?: boolean;
}

/** A shim's task API over a channel to it. */
export function openTaskClient(channel: Channel, { version, fallback = true }: TaskClientOptions): TaskClient {
  if (version < 3) return createClient(TaskDefinition, channel);
  return createClient(TaskV3Definition, fallback ? withFallback(channel) : channel);
}

/** Tries version 3 of the task API, and version 2 once a method of 3 turns out not to be there. */
function withFallback(channel: Channel): Channel {
  let fallenBack = false;
  const v2Path = (path: string) => path.replace(TaskV3Definition.fullName, TaskDefinition.fullName);
  return {
    async unary(path, method, request, options) {
      if (fallenBack) return await channel.unary(v2Path(path), method, request, options);
      try {
        return await channel.unary(path, method, request, options);
      } catch (error) {
        if (!hasCode(error, "unimplemented")) throw error;
        // A method that version 2 does not have either ends in the same error.
        const answer = await channel.unary(v2Path(path), method, request, options);
        fallenBack = true;
        return answer;
      }
    },
    stream: (path, method, requests, options) => channel.stream(path, method, requests, options),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}
