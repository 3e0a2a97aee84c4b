import { hasCode } from "@ctr/api";
import type { Client, ProcessInfo } from "@ctr/client";
import { fail, wrap } from "../../errors.ts";

/** The container's task, after the container itself: each missing one has words of its own. */
export async function getTask(client: Client, id: string, signal: AbortSignal): Promise<ProcessInfo> {
  await client.containers.get(id, { signal });
  return await client.tasks.get(id, { signal }).catch(noTask);
}

/** Rethrows, with the Go tool's words for a task that is not there. */
export function noTask(error: unknown): never {
  throw hasCode(error, "not_found") ? wrap("no running task found", error) : error;
}

/** A container id that must be there before anything is asked of the daemon. */
export function containerArgument(id: string | undefined): string {
  if (id) return id;
  throw fail("container id must be provided");
}
