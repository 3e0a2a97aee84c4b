import { ContainerdError, hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import { messageOf, wrap } from "../../errors.ts";
import { removeFifos } from "../../fifos.ts";
import type { Logger } from "../../log.ts";
import type { remove } from "../../table/tasks.ts";
import { getTask } from "./task.ts";

/** `ctr tasks delete ID…`: each one is tried. With `--exec-id` one exec process, whose exit code is passed on. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, log, connect, signal }) {
    const client = await connect();
    if (flags.execId !== "") return removeExec(client, args[0] ?? "", flags.execId, flags.force, signal);
    let failure: unknown;
    for (const id of args) {
      try {
        await removeTask(client, id, { force: flags.force, log, signal });
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return 0;
  },
});

interface RemoveOptions {
  readonly force: boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

async function removeTask(client: Client, id: string, { force, log, signal }: RemoveOptions): Promise<void> {
  const task = await getTask(client, id, signal).catch(async (error: unknown) => {
    await log.error(`failed to load task from ${id}`, { error: messageOf(error) });
    throw error;
  });
  try {
    const killed = force && task.status !== "stopped";
    if (killed) await killAndWait(client, id, undefined, signal);
    else checkStopped(task.status, id);
    const exitCode = await deleteTask(client, id, { killed, signal });
    await removeFifos(task);
    await (await client.containers.get(id, { signal })).disconnect();
    if (exitCode !== 0) await log.warn(`task ${id} exit with non-zero exit code ${exitCode}`);
  } catch (error) {
    await log.error(`unable to delete ${id}`, { error: messageOf(error) });
    throw error;
  }
}

/** The exit code; 0 where whoever was attached to a task that we killed has deleted it first. */
async function deleteTask(
  client: Client,
  id: string,
  { killed, signal }: { readonly killed: boolean; readonly signal: AbortSignal },
): Promise<number> {
  try {
    return (await client.tasks.delete(id, { signal })).exitCode;
  } catch (error) {
    if (killed && hasCode(error, "not_found")) return 0;
    throw error;
  }
}

/** Only a running task is held back here; the daemon judges the others. */
function checkStopped(status: string, id: string): void {
  if (status !== "running" && status !== "paused") return;
  throw new ContainerdError({
    code: "failed_precondition",
    what: "task must be stopped before deletion",
    why: status,
    fix: `kill it first: ctr tasks kill ${id}, or add --force`,
  });
}

async function removeExec(
  client: Client,
  id: string,
  execId: string,
  force: boolean,
  signal: AbortSignal,
): Promise<number> {
  await getTask(client, id, signal);
  try {
    await client.tasks.get(id, { execId, signal });
    if (force) await killAndWait(client, id, execId, signal);
    return (await client.tasks.deleteProcess(id, execId, { signal })).exitCode;
  } catch (error) {
    if (hasCode(error, "not_found")) throw wrap("no running process found", error);
    throw error;
  }
}

async function killAndWait(client: Client, id: string, execId: string | undefined, signal: AbortSignal): Promise<void> {
  const exited = client.tasks.wait(id, { execId, signal });
  try {
    await client.tasks.kill(id, "SIGKILL", { execId, all: execId === undefined, signal });
  } catch (error) {
    // It has ended by itself: the wanted state.
    if (!hasCode(error, "not_found", "failed_precondition")) throw error;
  }
  await exited;
}
