import { chownSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cancel, Labels, SnapshotUsage } from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import { markDirty } from "../metadata/dirty.ts";
import { addToLease, moveInLease } from "../metadata/leases.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import type { Scope } from "../scope.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import type { SnapshotDriver, SnapshotPlace } from "./driver.ts";
import { publishSnapshot } from "./events.ts";
import {
  commitSnapshot,
  deleteSnapshot,
  findSnapshot,
  getParent,
  getSnapshot,
  insertSnapshot,
  type SnapshotSpace,
} from "./records.ts";

/** The snapshots of one snapshotter and namespace, for who makes many of them at once. */
export interface SnapshotPlaces {
  readonly store: Store;
  readonly scope: Scope;
  readonly driver: SnapshotDriver;
}

/** A snapshot that is to be filled without waiting for the one below it, so it has no parent yet. */
export interface OpenLayer {
  readonly key: string;
  /** The directory its bytes go to. */
  readonly tree: string;
}

/** A filled layer with all that it is to become. */
export interface FilledLayer extends OpenLayer {
  readonly name: string;
  /** Name of the committed parent; "" for a base. */
  readonly parent: string;
  readonly labels: Labels;
  readonly usage: SnapshotUsage;
}

/**
 * Makes active snapshots without parents, all in one transaction: `prepare` for many. `keep` is put under the lease.
 * Neither they nor their rows are on disk yet: after a power cut they are a dead command's, and nobody goes on with them.
 */
export async function prepareLayers(
  places: SnapshotPlaces,
  wanted: { readonly layers: readonly { readonly key: string; readonly labels: Labels }[]; readonly keep?: string },
  { signal }: Cancel,
): Promise<readonly OpenLayer[]> {
  const { store, scope, driver } = places;
  mkdirSync(driver.dir, { recursive: true, mode: 0o700 });
  using _held = await store.locks.holdDisk({ signal });
  const filled = wanted.layers.map((layer) => ({ ...layer, dir: join(driver.dir, `new-${crypto.randomUUID()}`) }));
  try {
    for (const { dir } of filled) {
      mkdirSync(dir, { mode: 0o700 });
      failpoint("snapshot.made");
      await driver.fill(dir, { kind: "active", parents: [] }, { signal });
    }
    failpoint("snapshot.filled");
    return store.db.writeUnsynced((tx) => {
      if (wanted.keep !== undefined) addToLease(tx, scope, resourceOf(driver), wanted.keep);
      const made = filled.map((layer) => placeLayer(places, tx, layer));
      failpoint("snapshot.renamed");
      return made;
    });
  } catch (error) {
    for (const { dir } of filled) rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

function placeLayer(
  { store, scope, driver }: SnapshotPlaces,
  tx: WriteTx,
  { key, labels, dir }: { readonly key: string; readonly labels: Labels; readonly dir: string },
): OpenLayer {
  const space = spaceOf(scope, driver);
  ensureNamespace(tx, space.namespace);
  const id = insertSnapshot(tx, space, { key, kind: "active", parent: undefined, labels, now: store.clock.now() });
  addToLease(tx, scope, resourceOf(driver), key);
  publishSnapshot(store, tx, space, { kind: "prepare", key, parent: "" });
  const final = join(driver.dir, String(id));
  // As in `prepare`: a process that died before its commit left a directory of this id.
  if (existsSync(final)) renameSync(final, trashPath(store));
  renameSync(dir, final);
  return { key, tree: treeOf(driver, { id, kind: "active", parents: [] }) };
}

/**
 * Commits layers, base first, each on the one before, in one transaction that `besides` takes part in. C2: the caller
 * has brought everything they hold to disk, and waits for the rows in the end (`Database.sync`). A name that someone
 * else has committed meanwhile is as good as ours, which is removed.
 */
export async function commitLayers(
  places: SnapshotPlaces,
  layers: readonly FilledLayer[],
  besides: (tx: WriteTx) => void,
): Promise<void> {
  failpoint("snapshot.synced");
  const write = (tx: WriteTx) => {
    for (const layer of layers) commitLayer(places, tx, layer);
    besides(tx);
    failpoint("snapshot.commit");
  };
  await places.store.db.writeTogether(write, { synced: false });
}

function commitLayer({ store, scope, driver }: SnapshotPlaces, tx: WriteTx, layer: FilledLayer): void {
  const space = spaceOf(scope, driver);
  const { key, name, labels, usage } = layer;
  if (findSnapshot(tx, space, name) !== undefined) {
    dropLayer({ store, scope, driver }, tx, key);
    addToLease(tx, scope, resourceOf(driver), name);
    return;
  }
  const mine = getSnapshot(tx, space, key);
  const parent = getParent(tx, space, layer.parent)?.id;
  commitSnapshot(tx, mine.id, { name, parent, labels, ...usage, now: store.clock.now() });
  moveInLease(tx, scope, resourceOf(driver), key, name);
  publishSnapshot(store, tx, space, { kind: "commit", key, name });
}

/** Removes layers that come to nothing; those that are gone already are no fault. */
export function dropLayers(places: SnapshotPlaces, layers: readonly OpenLayer[]): void {
  if (layers.length === 0) return;
  places.store.db.write((tx) => {
    for (const { key } of layers) dropLayer(places, tx, key);
  });
}

function dropLayer({ store, scope, driver }: SnapshotPlaces, tx: WriteTx, key: string): void {
  const space = spaceOf(scope, driver);
  const record = findSnapshot(tx, space, key);
  if (record === undefined) return;
  deleteSnapshot(tx, record);
  publishSnapshot(store, tx, space, { kind: "remove", key });
  markDirty(tx);
}

/** How many of `names`, a chain's from the base up, are committed. */
export function committedBelow(places: SnapshotPlaces, names: readonly string[]): number {
  const space = spaceOf(places.scope, places.driver);
  return places.store.db.read((tx) => {
    const missing = names.findIndex((name) => findSnapshot(tx, space, name)?.kind !== "committed");
    return missing === -1 ? names.length : missing;
  });
}

/** The directories of a committed snapshot and all below it, the topmost first; none for "". `not_found` when it is gone. */
export function chainTrees({ store, scope, driver }: SnapshotPlaces, name: string): readonly string[] {
  const record = store.db.read((tx: ReadTx) => getParent(tx, spaceOf(scope, driver), name));
  if (record === undefined) return [];
  const ids = [record.id, ...record.parents];
  return ids.map((id, at) => treeOf(driver, { id, kind: "committed", parents: ids.slice(at + 1) }));
}

/** A layer's root directory shows through as the container's `/`, so it keeps the owner of the one below. False when it has that already. */
export function giveRootOwner(tree: string, below: string): boolean {
  const [wanted, now] = [statSync(below), statSync(tree)];
  if (now.uid === wanted.uid && now.gid === wanted.gid) return false;
  chownSync(tree, wanted.uid, wanted.gid);
  return true;
}

function treeOf(driver: SnapshotDriver, place: SnapshotPlace): string {
  return driver.ownTree(place) ?? join(driver.dir, String(place.id));
}

function resourceOf(driver: SnapshotDriver): string {
  return `snapshots/${driver.name}`;
}

function spaceOf({ namespace }: Scope, { name }: SnapshotDriver): SnapshotSpace {
  return { namespace, snapshotter: name };
}
