import { ourCtr } from "../../e2e/support/binaries.ts";
import { startServe } from "../../e2e/support/engine.ts";
import { pushLayout } from "../../e2e/support/images.ts";
import { peakOf } from "../../e2e/support/memory.ts";
import { mustRun } from "../../e2e/support/process.ts";
import type { Arena } from "../arena.ts";
import { removeImage } from "../cases/pulls.ts";
import type { Fact } from "../facts.ts";
import { type BenchImage, benchImage } from "../images.ts";

const MB = 1_000_000;

/** What our engine holds at its peak, and at rest. */
export async function memory(arena: Arena): Promise<readonly Fact[]> {
  const facts: Fact[] = [];
  for (const image of ["large", "large-zstd", "small-files", "many-layers"] as const) {
    facts.push({
      name: `peak of a pull, ${image}`,
      value: (await peakOfPull(arena, image)) / MB,
      unit: "MB",
      goal: 250,
    });
  }
  return [
    ...facts,
    { name: "`ctr serve` at rest, after some calls", value: (await restOfServer()) / MB, unit: "MB", goal: 80 },
  ];
}

async function peakOfPull(arena: Arena, image: BenchImage): Promise<number> {
  const ref = `${arena.registry.host}/bench/${image}:latest`;
  await pushLayout(arena.registry.host, `bench/${image}`, "latest", await benchImage(image));
  const argv = arena.command("embedded", "images", "pull", "--plain-http", ref);
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  const [code, peak] = await Promise.all([child.exited, peakOf(child)]);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}`);
  await removeImage(arena, "embedded", ref);
  return peak;
}

async function restOfServer(): Promise<number> {
  await using server = await startServe();
  for (const words of [["images", "ls"], ["containers", "ls"], ["version"]]) {
    await mustRun([ourCtr, "-a", server.address, ...words]);
  }
  const status = await Bun.file(`/proc/${server.pid}/status`).text();
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}
