import { chownSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Cancel, Labels, SnapshotUsage } from "@ctr/oci";
import { syncFilesystem } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { addToLease, moveInLease } from "../metadata/leases.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import type { Scope } from "../scope.ts";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import type { SnapshotDriver } from "./driver.ts";
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

/** A snapshot without a parent, to be filled. */
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

/** Makes active snapshots without parents, all in one transaction: `prepare` for many. */
export async function prepareLayers(
  places: SnapshotPlaces,
  wanted: readonly { readonly key: string; readonly labels: Labels }[],
  { signal }: Cancel,
): Promise<readonly OpenLayer[]> {
  const { store, driver } = places;
  mkdirSync(driver.dir, { recursive: true, mode: 0o700 });
  using _held = await store.locks.holdDisk({ signal });
  const temporary = wanted.map(() => join(driver.dir, `new-${crypto.randomUUID()}`));
  try {
    for (const dir of temporary) {
      mkdirSync(dir, { mode: 0o700 });
      await driver.fill(dir, { kind: "active", parents: [] }, { signal });
    }
    return store.db.write((tx) => {
      const made = wanted.map((one, at) => placeLayer(places, tx, one, temporary[at] ?? ""));
      syncDirectory(driver.dir);
      return made;
    });
  } catch (error) {
    for (const dir of temporary) rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

function placeLayer(
  { store, scope, driver }: SnapshotPlaces,
  tx: WriteTx,
  { key, labels }: { readonly key: string; readonly labels: Labels },
  from: string,
): OpenLayer {
  const space = spaceOf(scope, driver);
  ensureNamespace(tx, space.namespace);
  const id = insertSnapshot(tx, space, { key, kind: "active", parent: undefined, labels, now: store.clock.now() });
  if (scope.lease !== undefined) addToLease(tx, scope, `snapshots/${driver.name}`, key);
  publishSnapshot(store, tx, space, { kind: "prepare", key, parent: "" });
  const final = join(driver.dir, String(id));
  // As in `prepare`: a process that died before its commit left a directory of this id.
  if (existsSync(final)) renameSync(final, trashPath(store));
  renameSync(from, final);
  return { key, tree: driver.ownTree({ id, kind: "active", parents: [] }) ?? final };
}

/**
 * Commits layers, base first, each on the one before, in one transaction that `besides` takes part in. C2: everything
 * they hold is on disk before. A name that someone else has committed meanwhile is as good as ours, which is removed.
 */
export async function commitLayers(
  places: SnapshotPlaces,
  layers: readonly FilledLayer[],
  besides: (tx: WriteTx) => void,
): Promise<void> {
  const { store, scope, driver } = places;
  const [first] = layers;
  if (first !== undefined) syncFilesystem(first.tree);
  failpoint("snapshot.synced");
  store.db.write((tx) => {
    for (const layer of layers) commitLayer({ store, scope, driver }, tx, layer);
    failpoint("snapshot.commit");
    besides(tx);
  });
}

function commitLayer({ store, scope, driver }: SnapshotPlaces, tx: WriteTx, layer: FilledLayer): void {
  const space = spaceOf(scope, driver);
  const { key, name, labels, usage } = layer;
  const mine = getSnapshot(tx, space, key);
  const resource = `snapshots/${driver.name}`;
  if (findSnapshot(tx, space, name) !== undefined) {
    deleteSnapshot(tx, mine);
    publishSnapshot(store, tx, space, { kind: "remove", key });
    addToLease(tx, scope, resource, name);
    return;
  }
  const parent = getParent(tx, space, layer.parent)?.id;
  commitSnapshot(tx, mine.id, { name, parent, labels, ...usage, now: store.clock.now() });
  moveInLease(tx, scope, resource, key, name);
  publishSnapshot(store, tx, space, { kind: "commit", key, name });
}

/** A layer's root directory shows through as the container's `/`, so it keeps the owner of the one below. */
export function giveRootOwner(tree: string, below: string): void {
  const { uid, gid } = statSync(below);
  const now = statSync(tree);
  if (now.uid !== uid || now.gid !== gid) chownSync(tree, uid, gid);
}

function spaceOf({ namespace }: Scope, { name }: SnapshotDriver): SnapshotSpace {
  return { namespace, snapshotter: name };
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
