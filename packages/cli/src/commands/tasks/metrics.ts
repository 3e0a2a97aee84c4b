import type { Client } from "@ctr/client";
import { defineCommand } from "../../command.ts";
import { fail } from "../../errors.ts";
import { formatGoJson } from "../../go-json.ts";
import { protoToJson } from "../../proto-json.ts";
import type { metrics } from "../../table/tasks.ts";
import { formatTable, taskTable } from "../../tabwriter.ts";
import { formatGoTime } from "../../units.ts";
import { metricRows } from "./metric-rows.ts";
import { getTask } from "./task.ts";

/** `ctr tasks metrics ID`: what the task's cgroup counts. */
export const metricsCommand = defineCommand<typeof metrics>({
  async run({ args: [id = ""], flags, stdout, connect, signal }) {
    const client = await connect();
    await getTask(client, id, signal);
    const [metric] = await client.tasks.metrics([`id==${id}`], { signal });
    if (!metric?.data) throw fail("no metrics received");
    if (flags.format === "json") {
      await stdout.write(`${formatGoJson(protoToJson(metric.data.value) ?? {}, "  ")}\n`);
    } else if (flags.format === "table") await stdout.write(formatMetric(metric.id, metric.timestamp, metric.data));
    else throw fail("format must be table or json");
  },
});

type Metric = Awaited<ReturnType<Client["tasks"]["metrics"]>>[number];

/** The time is a Go time, as 1.6 has it: the protobuf text of 2.4 is not the same from one build to the next. */
function formatMetric(id: string, timestamp: Metric["timestamp"], data: NonNullable<Metric["data"]>): string {
  const head = formatTable(
    [
      ["ID", "TIMESTAMP"],
      [id, formatGoTime(timestamp)],
    ],
    taskTable,
  );
  return `${head}\n${formatTable([["METRIC", "VALUE"], ...metricRows(data)], taskTable)}`;
}
