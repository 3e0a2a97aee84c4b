import type { Metric } from "@ctr/client";

type Data = NonNullable<Metric["data"]>;
type Row = readonly [string, string];

/** The rows of a metrics table: those of cgroup v1 or of v2, each group only where the daemon reported it. */
export function metricRows(data: Data): readonly Row[] {
  if (data.kind === "io.containerd.cgroups.v1.Metrics") return version1Rows(data.value);
  if (data.kind === "io.containerd.cgroups.v2.Metrics") return version2Rows(data.value);
  return [];
}

type Version1 = Extract<Data, { readonly kind: "io.containerd.cgroups.v1.Metrics" }>["value"];
type Version2 = Extract<Data, { readonly kind: "io.containerd.cgroups.v2.Metrics" }>["value"];

function version1Rows({ memory, cpu, pids }: Version1): readonly Row[] {
  const rows: Row[] = [];
  if (memory) {
    rows.push(["memory.usage_in_bytes", `${memory.usage?.usage ?? 0n}`]);
    rows.push(["memory.limit_in_bytes", `${memory.usage?.limit ?? 0n}`]);
    rows.push(["memory.stat.cache", `${memory.totalCache}`]);
  }
  if (cpu) {
    rows.push(["cpuacct.usage", `${cpu.usage?.total ?? 0n}`]);
    rows.push(["cpuacct.usage_percpu", `[${(cpu.usage?.perCpu ?? []).join(" ")}]`]);
  }
  if (pids) rows.push(["pids.current", `${pids.current}`], ["pids.limit", `${pids.limit}`]);
  return rows;
}

function version2Rows({ pids, cpu, memory }: Version2): readonly Row[] {
  const rows: Row[] = [];
  if (pids) rows.push(["pids.current", `${pids.current}`], ["pids.limit", `${pids.limit}`]);
  if (cpu) {
    rows.push(["cpu.usage_usec", `${cpu.usageUsec}`], ["cpu.user_usec", `${cpu.userUsec}`]);
    rows.push(["cpu.system_usec", `${cpu.systemUsec}`], ["cpu.nr_periods", `${cpu.nrPeriods}`]);
    rows.push(["cpu.nr_throttled", `${cpu.nrThrottled}`], ["cpu.throttled_usec", `${cpu.throttledUsec}`]);
  }
  if (memory) {
    rows.push(["memory.usage", `${memory.usage}`], ["memory.usage_limit", `${memory.usageLimit}`]);
    rows.push(["memory.swap_usage", `${memory.swapUsage}`], ["memory.swap_limit", `${memory.swapLimit}`]);
  }
  return rows;
}
