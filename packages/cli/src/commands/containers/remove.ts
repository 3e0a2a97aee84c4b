import { hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import { fail, failArgument, messageOf } from "../../errors.ts";
import { removeFifos } from "../../fifos.ts";
import type { remove } from "../../table/containers.ts";

/** `ctr containers delete ID…`: each one is tried, the first failure is the command's. */
export const removeCommand = defineCommand<typeof remove>({
  async run({ args, flags, log, connect, signal }) {
    const client = await connect();
    if (args.length === 0) throw failArgument("must specify at least one container to delete");
    let failure: unknown;
    for (const id of args) {
      try {
        await removeContainer(client, id, { keepSnapshot: flags.keepSnapshot, signal });
      } catch (error) {
        failure ??= error;
        await log.error(`failed to delete container "${id}"`, { error: messageOf(error) });
      }
    }
    if (failure !== undefined) throw failure;
  },
});

/** A stopped task, the snapshot unless it is to stay, then the record. */
async function removeContainer(
  client: Client,
  id: string,
  { keepSnapshot, signal }: { readonly keepSnapshot: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const record = await client.containers.get(id, { signal });
  await removeTask(client, id, signal);
  await record.disconnect();
  if (!keepSnapshot && record.snapshotKey !== "") {
    await ignoring(client.snapshots(record.snapshotter).remove(record.snapshotKey, { signal }));
  }
  await client.containers.delete(id, { signal });
}

async function removeTask(client: Client, id: string, signal: AbortSignal): Promise<void> {
  const task = await ignoring(client.tasks.get(id, { signal }));
  if (!task) return;
  if (task.status === "stopped" || task.status === "created") {
    await ignoring(client.tasks.delete(id, { signal }));
    await removeFifos(task);
  } else {
    throw fail(
      `cannot delete a non stopped container: {${task.status} 0 0001-01-01 00:00:00 +0000 UTC}`,
      `stop it first: ctr tasks kill ${id}, then ctr tasks delete ${id}`,
    );
  }
}

/** What is gone already need not be removed. */
async function ignoring<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
}
