import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, waitForLine } from "./process.ts";

/** A containerd of this test's own: own root, state, socket. Disposing stops it with every shim and mount it left. */
export interface PrivateContainerd extends AsyncDisposable {
  readonly address: string;
  /** Everything of this instance lives below it. */
  readonly dir: string;
  readonly root: string;
  readonly state: string;
  readonly pid: number;
  /** Ends the daemon alone, as a crash would; containers go on. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts the daemon again on the same directories. */
  restart(): Promise<void>;
}

const BOOTED = /containerd successfully booted/;

export interface ContainerdOptions {
  /** Where its data lives, when not in the instance's own directory. */
  readonly root?: string;
  /** Looked through for programs before PATH, by its shims as well. */
  readonly programs?: string;
}

/** Starts Debian's containerd and resolves once it serves. */
export async function startContainerd(options: ContainerdOptions = {}): Promise<PrivateContainerd> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-e2e-"));
  const address = join(dir, "c.sock");
  const root = options.root ?? join(dir, "root");
  const state = join(dir, "state");
  const config = join(dir, "config.toml");
  await writeFile(config, configText(address, root, state));
  const { programs } = options;
  let daemon = await boot(config, programs);
  const end = async (signal: NodeJS.Signals) => {
    daemon.kill(signal);
    await daemon.exited;
  };
  let disposed = false;
  return {
    address,
    dir,
    root,
    state,
    get pid() {
      return daemon.pid;
    },
    kill: end,
    async restart() {
      daemon = await boot(config, programs);
    },
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      await end("SIGTERM");
      await endShims(address);
      await forgetContainers(state);
      await unmountBelow(dir);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function configText(address: string, root: string, state: string): string {
  return `version = 2
root = "${root}"
state = "${state}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${address}"
[ttrpc]
  address = "${address}.ttrpc"
[debug]
  address = "${address}.debug"
  level = "info"
`;
}

async function boot(config: string, programs: string | undefined) {
  const env = programs === undefined ? process.env : { ...process.env, PATH: `${programs}:${process.env["PATH"]}` };
  const daemon = Bun.spawn(["containerd", "--config", config], {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  await waitForLine(daemon.stderr, BOOTED, "containerd");
  return daemon;
}

/** Kills the shims that were started for `address`, and the processes of their containers with them. */
export async function endShims(address: string): Promise<void> {
  for (const pid of await processesNaming(address)) {
    for (const child of await childrenOf(pid)) tryKill(child);
    tryKill(pid);
  }
}

/** runc keeps its state below a root that all daemons of the machine share: what is left there would take the id. */
async function forgetContainers(state: string): Promise<void> {
  const bundles = join(state, "io.containerd.runtime.v2.task");
  for (const namespace of await readdir(bundles).catch(() => [])) {
    for (const id of await readdir(join(bundles, namespace))) {
      await mustRun(["runc", "--root", join("/run/containerd/runc", namespace), "delete", "--force", id]);
    }
  }
}

async function processesNaming(address: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    // A process may end between the two reads; then it needs no killing.
    const argv = (await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "")).split("\0");
    if (argv[0]?.includes("containerd-shim") && argv.includes(address)) found.push(Number(entry));
  }
  return found;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.split(" ").filter(Boolean).map(Number);
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}

/** Mount points below `dir`, innermost first. */
export async function mountsBelow(dir: string): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const points = lines.map((line) => line.split(" ")[4] ?? "").filter((point) => point.startsWith(`${dir}/`));
  return points.reverse();
}

export async function unmountBelow(dir: string): Promise<void> {
  for (const point of await mountsBelow(dir)) await mustRun(["umount", "-l", point]);
}
