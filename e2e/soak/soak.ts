import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ourCtr } from "../support/binaries.ts";
import { startServe } from "../support/engine.ts";
import { buildGo } from "../support/go.ts";
import { busyboxLayout, pushLayout } from "../support/images.ts";
import { mustRun, run } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { checkStore } from "../support/store-check.ts";

export interface SoakOptions {
  readonly clients: number;
  readonly seconds: number;
  /** Told of every look at the daemon. */
  readonly onSample?: (sample: Sample) => void;
}

/** The daemon at one moment. */
export interface Sample {
  readonly atSeconds: number;
  readonly rssBytes: number;
  readonly descriptors: number;
  readonly threads: number;
}

export interface SoakReport {
  /** What the clients said when they ended: a fault, or how often each kind of work was done. */
  readonly ended: { readonly code: number; readonly stderr: string };
  readonly done: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
  /** Before the clients came, and once they were gone. */
  readonly before: Sample;
  readonly after: Sample;
  /** What should not be there any more, one sentence each. */
  readonly left: readonly string[];
}

const SAMPLE_MS = 1000;
/** For a command of the clean-up: the machine may be busy with other things. */
const CLEAN_UP_MS = 600_000;

/** `ctr serve` under Go clients at mixed work; see soak.go for what they do, and check by themselves. */
export async function soak({ clients, seconds, onSample }: SoakOptions): Promise<SoakReport> {
  await using stack = new AsyncDisposableStack();
  const daemon = stack.use(await startServe());
  const registry = stack.use(await startRegistry());
  await pushLayout(registry.host, "library/busybox", "latest", await busyboxLayout());
  const program = await buildGo(resolve(import.meta.dir, "soak.go"), join(daemon.dir, "soak"));
  const argv = (count: number, time: number) =>
    [program, daemon.address, registry.host, "library/busybox:latest", `${count}`, `${time}`] as const;
  // What a daemon makes once, for the first who asks, is no leak.
  await mustRun(argv(4, 5), { timeoutMs: 60_000 });
  const began = performance.now();
  const look = async (): Promise<Sample> => {
    const sample = { atSeconds: Math.round((performance.now() - began) / 1000), ...(await lookAt(daemon.pid)) };
    onSample?.(sample);
    return sample;
  };
  const before = await look();
  const samples: Sample[] = [];
  const timer = setInterval(() => void look().then((sample) => samples.push(sample)), SAMPLE_MS);
  const ended = await run(argv(clients, seconds), { timeoutMs: (seconds + 120) * 1000 });
  clearInterval(timer);
  const after = await settled(look, before);
  const left = await leftovers(daemon);
  const counts = ended.stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  const done = Object.fromEntries(counts.map(([name = "", count = "0"]) => [name, Number(count)]));
  return { ended: { code: ended.code, stderr: ended.stderr }, done, samples, before, after, left };
}

async function lookAt(pid: number): Promise<Omit<Sample, "atSeconds">> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
  return { rssBytes: field("VmRSS") * 1024, descriptors, threads: field("Threads") };
}

/** Looks until the descriptors are as few as before, or a minute is over: the ends of connections arrive in their own time. */
async function settled(look: () => Promise<Sample>, before: Sample): Promise<Sample> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const sample = await look();
    if (sample.descriptors <= before.descriptors || performance.now() > deadline) return sample;
  }
}

/** Removes what the clients meant to keep, and names what is there all the same. */
async function leftovers(daemon: Awaited<ReturnType<typeof startServe>>): Promise<readonly string[]> {
  const ctr = (...words: readonly string[]) =>
    mustRun([ourCtr, "-a", daemon.address, ...words], { timeoutMs: CLEAN_UP_MS });
  const namespaces = (await ctr("namespaces", "ls", "-q")).split("\n").filter((name) => name !== "");
  const left: string[] = [];
  for (const namespace of namespaces) {
    const lines = async (...words: readonly string[]) =>
      (await ctr("-n", namespace, ...words))
        .split("\n")
        .filter((line) => line !== "" && !/^(KEY|TASK|CONTAINER)\b/.test(line));
    for (const image of await lines("images", "ls", "-q")) await ctr("-n", namespace, "images", "rm", "--sync", image);
    for (const words of [
      ["tasks", "ls"],
      ["containers", "ls"],
      ["snapshots", "ls"],
      ["content", "ls", "-q"],
      ["leases", "ls", "-q"],
    ]) {
      left.push(...(await lines(...words)).map((line) => `${namespace}: ${words[0]}: ${line}`));
    }
  }
  const mounts = (await Bun.file("/proc/self/mountinfo").text()).split("\n");
  const own = [daemon.root, daemon.state];
  left.push(...mounts.filter((line) => own.some((dir) => line.includes(` ${dir}/`))).map((line) => `mount: ${line}`));
  left.push(...(await readdir(join(daemon.state, "bundles")).catch(() => [])).map((name) => `bundles: ${name}`));
  await daemon.kill("SIGTERM");
  const report = checkStore(daemon.root);
  await daemon.restart();
  return [...left, ...report.problems, ...report.garbage];
}
