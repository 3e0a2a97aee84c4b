import { expect } from "bun:test";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { type ContainerdOptions, type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun, type Outcome, type RunOptions, run } from "../support/process.ts";

export const busybox = "docker.io/library/busybox:latest";

/** A containerd with busybox in one namespace, and both tools talking to it. */
export interface Bench extends AsyncDisposable {
  readonly daemon: PrivateContainerd;
  readonly namespace: string;
  /** A busybox archive, for import. */
  readonly archive: string;
  /** The words that start our tool, for spawning it by hand. */
  command(...words: readonly string[]): readonly string[];
  ctr(words: readonly string[], options?: RunOptions): Promise<Outcome>;
  go(words: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** A command of ours that must succeed without a word on stderr; its stdout. */
  line(words: readonly string[], options?: RunOptions): Promise<string>;
  /** What commands have left in their temporary directory, which is the bench's own. */
  temporaries(): Promise<readonly string[]>;
}

/** What both tools talk to: our own commands reach the embedded engine in their own process, the Go tool by a socket. */
export type BenchEngine = "containerd" | "embedded";

/** Namespaces are the test file's own: runc keeps its state by namespace, for every containerd of a machine. */
export async function openBench(
  name: string,
  engine: BenchEngine = "containerd",
  options: ContainerdOptions = {},
): Promise<Bench> {
  const daemon = engine === "containerd" ? await startContainerd(options) : await startServe();
  const namespace = `cmd-${name}-${process.pid}`;
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const address = engine === "containerd" ? daemon.address : `embedded://${daemon.root}`;
  const globals = ["--address", address, "--namespace", namespace];
  const goGlobals = ["--address", daemon.address, "--namespace", namespace];
  await mustRun([goCtr, ...goGlobals, "images", "import", "--base-name", "docker.io/library/busybox", archive]);
  const command = (...words: readonly string[]) => [ourCtr, ...globals, ...words];
  const temporary = join(daemon.dir, "tmp");
  await mkdir(temporary);
  const ours = (words: readonly string[], options: RunOptions = {}) =>
    run(command(...words), { ...options, env: { TMPDIR: temporary, ...options.env } });
  return {
    daemon,
    namespace,
    archive,
    command,
    ctr: ours,
    go: (words, options) => run([goCtr, ...goGlobals, ...words], options),
    async line(words, options) {
      const { code, stdout, stderr } = await ours(words, options);
      expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
      return stdout;
    },
    temporaries: () => readdir(temporary),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Opens a bench for a test file: `beforeAll(bench.open)`, `afterAll(bench.close)`. */
export function sharedBench(name: string, engine: BenchEngine = "containerd") {
  let bench: Bench | undefined;
  return {
    open: async (options: ContainerdOptions = {}) => {
      bench = await openBench(name, engine, options);
    },
    close: async () => {
      await bench?.[Symbol.asyncDispose]();
    },
    get now(): Bench {
      if (!bench) throw new Error("the bench is not open");
      return bench;
    },
  };
}

/** Both kinds of engine, for `describe.each`: a title, and the bench's word for it. */
export const benchEngines = [
  ["containerd", "containerd"],
  ["the embedded engine", "embedded"],
] as const satisfies readonly (readonly [string, BenchEngine])[];

/** Ends and removes all containers: a test that fails must not fail the next ones. */
export async function removeContainers({ ctr }: Pick<Bench, "ctr">): Promise<void> {
  const ids = (await ctr(["containers", "ls", "-q"])).stdout.split("\n").filter(Boolean);
  for (const id of ids) await ctr(["tasks", "rm", "-f", id]);
  if (ids.length > 0) await ctr(["containers", "rm", ...ids]);
}

/** FIFOs in the directory of all of this machine's processes, of those whose id ends in `mark`. */
export async function fifosOf(mark: string): Promise<readonly string[]> {
  const names = await readdir("/run/containerd/fifo", { recursive: true }).catch(() => []);
  return names.filter((name) => new RegExp(`${mark}-std(in|out|err)$`).test(name));
}
