import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { pushLayout } from "../../e2e/support/images.ts";
import type { Arena } from "../arena.ts";
import { quietly } from "../case.ts";
import { removeImage } from "../cases/pulls.ts";
import { type Fact, timeOf } from "../facts.ts";
import { benchImage } from "../images.ts";
import { spreadOf } from "../stats.ts";

/** Cores that the machine has for us; the floor counts on all of them all the time. */
const CORES = navigator.hardwareConcurrency;
const ROUNDS = 5;

/** What a pull costs in processor time when each step is done by the tool that does it best, and nothing else is. */
export async function floor(arena: Arena): Promise<readonly Fact[]> {
  const { dir, target } = await benchImage("large");
  await pushLayout(arena.registry.host, "bench/large", "latest", { dir, target });
  const manifest: { readonly layers: readonly { readonly digest: string }[] } = JSON.parse(
    await readFile(join(dir, "blobs", target.digest.replace(":", "/")), "utf8"),
  );
  const ref = `${arena.registry.host}/bench/large:latest`;
  const floors: number[] = [];
  const pulls: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let cpuMs = 0;
    for (const { digest } of manifest.layers) cpuMs += await layerCpuMs(arena, digest);
    floors.push(cpuMs / CORES);
    const begun = process.hrtime.bigint();
    await quietly(arena.command("embedded", "images", "pull", "--plain-http", ref));
    pulls.push(Number(process.hrtime.bigint() - begun) / 1e6);
    await removeImage(arena, "embedded", ref);
  }
  const ratios = pulls.map((ms, at) => ms / (floors[at] ?? Number.NaN));
  return [
    {
      name: "floor of a pull of 6 gzip layers: processor time of the tools over all cores",
      value: spreadOf(floors).median,
      unit: "ms",
    },
    { name: "our pull of it, against the floor", value: spreadOf(ratios).median, unit: "times", goal: 1.4 },
    { name: "`runc run` of `true`, without a shim", value: await bareRunc(arena), unit: "ms" },
  ];
}

/** Fetch, hash, inflate, hash, untar. */
async function layerCpuMs(arena: Arena, digest: string): Promise<number> {
  const work = join(arena.dir, "floor");
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, "tree"), { recursive: true });
  const url = `http://${arena.registry.host}/v2/bench/large/blobs/${digest}`;
  const inflate = Bun.which("igzip") ?? "gzip";
  const steps = [
    ["curl", "-sfLo", `${work}/blob.gz`, url],
    ["sha256sum", `${work}/blob.gz`],
    ["sh", "-c", `exec ${inflate} -dc ${work}/blob.gz >${work}/layer.tar`],
    ["sha256sum", `${work}/layer.tar`],
    ["tar", "-xf", `${work}/layer.tar`, "-C", `${work}/tree`],
  ];
  let total = 0;
  for (const argv of steps) total += await cpuMsOf(argv);
  await rm(work, { recursive: true });
  return total;
}

async function cpuMsOf(argv: readonly string[]): Promise<number> {
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`${argv.join(" ")}: exit ${child.exitCode}`);
  return Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000;
}

async function bareRunc(arena: Arena): Promise<number> {
  const bundle = join(arena.dir, "bundle");
  await mkdir(join(bundle, "rootfs/bin"), { recursive: true });
  await quietly(["sh", "-c", `cp "$(command -v busybox)" ${bundle}/rootfs/bin/true`]);
  await quietly([
    "sh",
    "-c",
    `cd ${bundle} && runc spec && sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/' config.json`,
  ]);
  const ms = await timeOf(15, () => quietly(["runc", "run", "-b", bundle, "bench-bare"]));
  await rm(bundle, { recursive: true });
  return ms;
}
