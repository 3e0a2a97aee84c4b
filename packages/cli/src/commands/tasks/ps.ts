import type { Client } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import type { ps } from "../../table/tasks.ts";
import { alignTabs, taskTable } from "../../tabwriter.ts";
import { containerArgument, getTask } from "./task.ts";

/** `ctr tasks ps ID`: the processes as the host numbers them; exec'd ones with their id. */
export const psCommand = defineCommand<typeof ps>({
  async run({ args, stdout, connect, signal }) {
    const id = containerArgument(args[0]);
    const client = await connect();
    await getTask(client, id, signal);
    const processes = await client.tasks.listPids(id, { signal });
    const lines = processes.map(({ pid, info }) => `${pid}\t${describeInfo(info)}\n`);
    await stdout.write(alignTabs(`PID\tINFO\n${lines.join("")}`, taskTable));
  },
});

type Info = Awaited<ReturnType<Client["tasks"]["listPids"]>>[number]["info"];

/** The details message as protobuf text. */
function describeInfo(info: Info): string {
  if (info === undefined) return "-";
  const value: unknown = info.value;
  if (typeof value !== "object" || value === null) return "-";
  const execId = "execId" in value ? value.execId : undefined;
  return execId ? `exec_id:${JSON.stringify(execId)}` : "";
}
