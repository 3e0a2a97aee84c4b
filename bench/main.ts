import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { goCtr, ourCtr } from "../e2e/support/binaries.ts";
import { startContainerd } from "../e2e/support/containerd.ts";
import { archiveOf, busyboxLayout } from "../e2e/support/images.ts";
import { mustRun } from "../e2e/support/process.ts";
import { type Row, rowOf, tableOf } from "./stats.ts";

/** Short commands, where starting the program is most of the time. */
const cases: readonly (readonly string[])[] = [
  ["--version"],
  ["version"],
  ["ns", "ls"],
  ["images", "ls"],
  ["containers", "ls"],
  ["content", "ls"],
];
const runs = Number(process.env["BENCH_RUNS"] ?? 60);

async function main(): Promise<void> {
  await using daemon = await startContainerd();
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  await mustRun([goCtr, "-a", daemon.address, "images", "import", archive]);
  const rows = cases.map((words) => timeCase(words, daemon.address));
  process.stdout.write(`${runs} interleaved runs each; medians; containerd and ctr of Debian\n\n${tableOf(rows)}\n`);
  const results = resolve(import.meta.dir, "results");
  await mkdir(results, { recursive: true });
  await writeFile(join(results, "start-up.json"), `${JSON.stringify({ runs, rows }, null, 2)}\n`);
}

function timeCase(words: readonly string[], address: string): Row {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let run = -2; run < runs; run++) {
    const pair = [time(ourCtr, words, address), time(goCtr, words, address)] as const;
    // The first two warm the page cache.
    if (run < 0) continue;
    ours.push(pair[0]);
    theirs.push(pair[1]);
  }
  return rowOf({ name: `\`${words.join(" ")}\``, ours, theirs });
}

/** Wall milliseconds of one whole process. */
function time(program: string, words: readonly string[], address: string): number {
  const start = process.hrtime.bigint();
  const { exitCode } = Bun.spawnSync([program, "-a", address, ...words], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  if (exitCode !== 0) throw new Error(`${program} ${words.join(" ")}: exit ${exitCode}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

await main();
