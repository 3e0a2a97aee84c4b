import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goCtr, ourCtr } from "../e2e/support/binaries.ts";
import { type PrivateContainerd, startContainerd } from "../e2e/support/containerd.ts";
import { forgetStore } from "../e2e/support/engine.ts";
import { mustRun } from "../e2e/support/process.ts";
import { type PrivateRegistry, startRegistry } from "../e2e/support/registry.ts";

/** Who is timed: our engine, our CLI on Debian's containerd, and Debian's Go ctr on the same. */
export const contestants = ["embedded", "ours", "go"] as const;
export type Contestant = (typeof contestants)[number];

/** The place of one bench: a disk of its own, both engines on it, and a registry. */
export interface Arena extends AsyncDisposable {
  /** Scratch space on the bench's disk. */
  readonly dir: string;
  readonly daemon: PrivateContainerd;
  readonly registry: PrivateRegistry;
  /** Directory of the embedded engine's store. */
  readonly root: string;
  /** The command line of a contestant; each has a namespace of its own. */
  command(who: Contestant, ...words: readonly string[]): readonly string[];
  /** Runs one that must succeed; its stdout. */
  ctr(who: Contestant, ...words: readonly string[]): Promise<string>;
}

/** Room for every contestant's copy of the largest image. */
const DISK_BYTES = "24G";

/** Makes the disk, a loop device with a journalled ext4, and starts everything on it. */
export async function openArena(): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(process.env["BENCH_DIR"] ?? tmpdir(), "ctr-bench-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const disk = join(dir, "disk");
  await mkdir(disk);
  await mustRun(["truncate", "-s", DISK_BYTES, `${disk}.img`]);
  await mustRun(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", `${disk}.img`]);
  await mustRun(["mount", "-o", "loop", `${disk}.img`, disk]);
  stack.defer(() => mustRun(["umount", disk]).then(() => undefined));
  const daemon = stack.use(await startContainerd({ root: join(disk, "containerd") }));
  const registry = stack.use(await startRegistry());
  const root = join(disk, "embedded");
  stack.defer(() => forgetStore(root).catch(() => undefined));
  const addresses = { embedded: `embedded://${root}`, ours: daemon.address, go: daemon.address };
  const command = (who: Contestant, ...words: readonly string[]) => [
    who === "go" ? goCtr : ourCtr,
    "-a",
    addresses[who],
    "-n",
    `bench-${who}`,
    ...words,
  ];
  const all = stack.move();
  return {
    dir: disk,
    daemon,
    registry,
    root,
    command,
    ctr: (who, ...words) => mustRun(command(who, ...words)),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
