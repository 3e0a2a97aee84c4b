import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Cancel } from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import { clearDirt, readDirt } from "../metadata/dirty.ts";
import { mountsDir } from "../mounts/places.ts";
import { hasProxyGarbage } from "../snapshots/proxy-rows.ts";
import type { Store } from "../store/store.ts";
import { emptyTrash } from "../store/trash.ts";
import { isDue } from "./due.ts";
import { sweepRows } from "./sweep.ts";

/** Something on disk that rows tell of. */
export interface Collectable {
  /**
   * Moves what no row names to the trash. Called with the disk held by the collector alone, so that nothing new is
   * without its row; it reads the rows itself.
   */
  sweep(): void;
}

export interface CollectOptions extends Cancel {
  /** What to sweep after the rows; content and local snapshots without it. */
  readonly backends?: readonly Collectable[];
}

/** What a collection did. */
export interface Collected {
  /** Rows deleted. */
  readonly rows: number;
}

/** Collects once whoever is collecting now is done; what was let go before the call is gone after it. */
export async function collect(store: Store, options: CollectOptions): Promise<Collected> {
  using _turn = await store.locks.collect(options);
  return await run(store, options);
}

/** Rounds in a row of one collector, where others let go of things as fast as it sweeps them. */
const MAX_ROUNDS = 10;

/**
 * Collects while there is reason to; undefined when there was none, or another process is at it. Who lets go of something
 * during a collection leaves it to the collector, which therefore looks again once it has given up its turn.
 */
export async function collectIfDirty(store: Store, options: CollectOptions): Promise<Collected | undefined> {
  let collected: Collected | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const more = await collectOnce(store, options);
    if (more === undefined) break;
    collected = { rows: (collected?.rows ?? 0) + more.rows };
  }
  return collected;
}

async function collectOnce(store: Store, options: CollectOptions): Promise<Collected | undefined> {
  using turn = store.locks.tryCollect();
  if (turn === undefined || !store.db.read((tx) => isDue(tx, store.clock.now()))) return undefined;
  return await run(store, options);
}

/** Collects unless another process is at it; undefined then. */
export async function tryCollect(store: Store, options: CollectOptions): Promise<Collected | undefined> {
  using turn = store.locks.tryCollect();
  // Awaited here, as the turn ends with this function.
  return turn === undefined ? undefined : await run(store, options);
}

/**
 * Rows first, then the disk: a crash in between leaves files without a row, which the next collection finds, and the
 * store stays dirty until then.
 */
async function run(store: Store, options: CollectOptions): Promise<Collected> {
  options.signal.throwIfAborted();
  const { dirt, rows } = store.db.write((tx) => ({ dirt: readDirt(tx), rows: sweepRows(store, tx) }));
  failpoint("gc.rows");
  if (existsSync(mountsDir(store))) {
    const { sweepActivations } = await import("../mounts/sweep.ts");
    await sweepActivations(store, options);
  }
  const backends = options.backends ?? (await localBackends(store));
  {
    using _alone = await store.locks.sweepDisk(options);
    for (const backend of backends) backend.sweep();
  }
  failpoint("gc.swept");
  // A power cut brings it back, and with it another collection.
  if (dirt !== undefined) store.db.writeUnsynced((tx) => clearDirt(tx, dirt));
  failpoint("gc.clean");
  // Slow, and nobody's to wait for but ours: the files have left their places already.
  await Promise.all([emptyTrash(store), sweepStrays(store, options)]);
  return { rows };
}

async function sweepStrays(store: Store, options: CollectOptions): Promise<void> {
  if (store.db.read(hasProxyGarbage)) {
    const { sweepProxies } = await import("../snapshots/proxy-sweep.ts");
    await sweepProxies(store, options);
  }
  if (existsSync(join(store.state, "bundles"))) {
    const { removeStrayBundles } = await import("../runtime/stray-bundles.ts");
    await removeStrayBundles(store);
  }
  if (existsSync(join(store.state, "sandboxes"))) {
    const { removeStraySandboxes } = await import("../runtime/stray-sandboxes.ts");
    await removeStraySandboxes(store);
  }
}

/** Loads what a collection of this machine's own garbage runs, for who has nothing to do just now. */
export async function warmUp(store: Store): Promise<void> {
  await Promise.all([localBackends(store), import("../runtime/stray-bundles.ts")]);
}

/** Loaded when a collection is due: most commands make no garbage. */
async function localBackends(store: Store): Promise<readonly Collectable[]> {
  const { sweepContent } = await import("../content/sweep.ts");
  const { snapshotDrivers } = await import("../snapshots/drivers.ts");
  const { sweepSnapshots } = await import("../snapshots/sweep.ts");
  const drivers = snapshotDrivers(store).map((driver) => ({ sweep: () => sweepSnapshots(store, driver) }));
  return [{ sweep: () => sweepContent(store) }, ...drivers];
}
