import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import type { Cancel, Labels, Mount, SnapshotInfo, SnapshotOptions, SnapshotUsage } from "@ctr/oci";
import { syncFilesystem } from "@ctr/sys";
import { failpoint } from "../failpoint.ts";
import { markDirty } from "../metadata/dirty.ts";
import { addToLease, moveInLease } from "../metadata/leases.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import type { Scope } from "../scope.ts";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { syncDirectoryNow } from "../store/sync-now.ts";
import { emptyTrash, trashPath } from "../store/trash.ts";
import type { NewSnapshot, SnapshotDriver } from "./driver.ts";
import { publishSnapshot } from "./events.ts";
import { filterSnapshots } from "./filters.ts";
import { mappedOwner } from "./mapped-owner.ts";
import {
  commitSnapshot,
  deleteSnapshot,
  findSnapshot,
  getParent,
  getSnapshot,
  insertSnapshot,
  listSnapshots,
  type SnapshotRecord,
  type SnapshotSpace,
  setSnapshotLabels,
} from "./records.ts";
import { checkMountable, checkSnapshotKey, collectForKey, getActive, refuseTarget, snapshotExists } from "./rules.ts";
import type { StoreSnapshotter } from "./store-snapshotter.ts";
import { sweepSnapshots } from "./sweep.ts";
import { treeUsage } from "./usage.ts";

/** One snapshotter of one namespace. */
export class EngineSnapshotter implements StoreSnapshotter {
  readonly name: string;
  readonly #store: Store;
  readonly #scope: Scope;
  readonly #driver: SnapshotDriver;
  readonly #space: SnapshotSpace;

  constructor(store: Store, scope: Scope, driver: SnapshotDriver) {
    this.name = driver.name;
    this.#store = store;
    this.#scope = scope;
    this.#driver = driver;
    this.#space = { namespace: scope.namespace, snapshotter: driver.name };
  }

  async stat(key: string): Promise<SnapshotInfo> {
    return this.#get(key);
  }

  async setLabels(key: string, labels: Labels): Promise<SnapshotInfo> {
    return this.update(key, (now) => ({ ...now, ...labels }));
  }

  /** Replaces the labels with what `change` makes of them, in one transaction. */
  async update(key: string, change: (labels: Labels) => Labels): Promise<SnapshotInfo> {
    return this.#store.db.write((tx) => {
      const { id, labels } = getSnapshot(tx, this.#space, key);
      setSnapshotLabels(tx, id, change(labels), this.#store.clock.now());
      return getSnapshot(tx, this.#space, key);
    });
  }

  async *walk(filters: readonly string[], { signal }: Cancel): AsyncIterable<SnapshotInfo> {
    const matches = filterSnapshots(filters);
    for (const info of this.#store.db.read((tx) => listSnapshots(tx, this.#space))) {
      signal.throwIfAborted();
      if (matches(info)) yield info;
    }
  }

  async usage(key: string, { signal }: Cancel): Promise<SnapshotUsage> {
    const record = this.#get(key);
    if (record.kind === "committed") return { size: record.size, inodes: record.inodes };
    this.#driver.refill?.(record);
    const tree = this.#driver.ownTree(record);
    return tree === undefined ? { size: 0n, inodes: 0n } : await treeUsage(tree, signal);
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    const record = this.#get(key);
    checkMountable(record);
    this.#driver.refill?.(record);
    return this.#driver.mounts(record);
  }

  async prepare(key: string, parent: string, options: SnapshotOptions): Promise<readonly Mount[]> {
    return this.#create("active", key, parent, options);
  }

  async view(key: string, parent: string, options: SnapshotOptions): Promise<readonly Mount[]> {
    return this.#create("view", key, parent, options);
  }

  /** C2: what the snapshot holds is on disk before anything may stand on it. `parent` gives one to a base. */
  async commit(name: string, key: string, options: SnapshotOptions & { readonly parent?: string }): Promise<void> {
    checkSnapshotKey(name, "name");
    const record = this.#store.db.read((tx) => getActive(tx, this.#space, key));
    this.#driver.refill?.(record);
    const tree = this.#driver.ownTree(record);
    const usage = tree === undefined ? { size: 0n, inodes: 0n } : await treeUsage(tree, options.signal);
    if (tree !== undefined) syncFilesystem(tree);
    failpoint("snapshot.synced");
    this.#store.db.write((tx) => {
      if (findSnapshot(tx, this.#space, name) !== undefined) throw snapshotExists(name);
      const now = getActive(tx, this.#space, key);
      const rebased = now.parents[0] ?? getParent(tx, this.#space, options.parent ?? "")?.id;
      const made = { name, parent: rebased, labels: options.labels ?? {}, ...usage, now: this.#store.clock.now() };
      commitSnapshot(tx, now.id, made);
      failpoint("snapshot.commit");
      moveInLease(tx, this.#scope, this.#resource, key, name);
      publishSnapshot(this.#store, tx, this.#space, { kind: "commit", key, name });
    });
  }

  async remove(key: string): Promise<void> {
    this.#store.db.write((tx) => {
      const record = getSnapshot(tx, this.#space, key);
      deleteSnapshot(tx, record);
      failpoint("snapshot.remove");
      publishSnapshot(this.#store, tx, this.#space, { kind: "remove", key });
      markDirty(tx);
    });
  }

  /** Deletes directories that no snapshot names; GC does the same. `unimplemented` where the snapshotter has no such call. */
  async cleanup({ signal }: Cancel): Promise<void> {
    if (!this.#driver.hasCleanup) {
      throw new ContainerdError({
        code: "unimplemented",
        what: `snapshotter ${this.name} does not implement Cleanup method`,
      });
    }
    {
      using _alone = await this.#store.locks.sweepDisk({ signal });
      sweepSnapshots(this.#store, this.#driver);
    }
    await emptyTrash(this.#store);
  }

  get #resource(): string {
    return `snapshots/${this.name}`;
  }

  #get(key: string): SnapshotRecord {
    return this.#store.db.read((tx) => getSnapshot(tx, this.#space, key));
  }

  async #create(
    kind: "active" | "view",
    key: string,
    parentName: string,
    options: SnapshotOptions,
  ): Promise<readonly Mount[]> {
    checkSnapshotKey(key, "key");
    const labels = options.labels ?? {};
    refuseTarget(this.#store, this.#scope, this.#space, labels);
    await collectForKey(this.#store, this.#space, key, options);
    const parent = this.#store.db.read((tx) => {
      if (findSnapshot(tx, this.#space, key) !== undefined) throw snapshotExists(key);
      return getParent(tx, this.#space, parentName);
    });
    const parents = parent === undefined ? [] : [parent.id, ...parent.parents];
    const owner = mappedOwner(labels);
    const wanted: NewSnapshot = { kind, parents, ...(owner === undefined ? {} : { owner }) };
    const id = await this.#place(wanted, options, (tx) => {
      if (findSnapshot(tx, this.#space, key) !== undefined) throw snapshotExists(key);
      // Looked up again: it may have been removed since.
      const standing = getParent(tx, this.#space, parentName);
      ensureNamespace(tx, this.#space.namespace);
      const made = { key, kind, parent: standing?.id, labels, now: this.#store.clock.now() };
      const inserted = insertSnapshot(tx, this.#space, made);
      if (this.#scope.lease !== undefined) addToLease(tx, this.#scope, this.#resource, key);
      if (kind === "active")
        publishSnapshot(this.#store, tx, this.#space, { kind: "prepare", key, parent: parentName });
      return inserted;
    });
    return this.#driver.mounts({ id, kind, parents });
  }

  /** Makes the directory under a temporary name, and gives it the id's in the transaction that makes the row. */
  async #place(wanted: NewSnapshot, { signal }: Cancel, insert: (tx: WriteTx) => bigint): Promise<bigint> {
    const { dir } = this.#driver;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
    using _held = await this.#store.locks.holdDisk({ signal });
    const temporary = join(dir, `new-${crypto.randomUUID()}`);
    mkdirSync(temporary, { mode: 0o700 });
    failpoint("snapshot.made");
    try {
      await this.#driver.fill(temporary, wanted, { signal });
      // A container's own: after a power cut it must not lack what it is mounted from, unless that can be made again.
      const mustLast = this.#driver.refill === undefined || wanted.owner !== undefined;
      if (mustLast) syncDirectoryNow(temporary);
      failpoint("snapshot.filled");
      return this.#store.db.writeSettled((tx) => {
        const id = insert(tx);
        const final = join(dir, String(id));
        // A process that died between its rename and its commit left a directory, and the id is given out again.
        if (existsSync(final)) renameSync(final, trashPath(this.#store));
        renameSync(temporary, final);
        failpoint("snapshot.renamed");
        if (mustLast) syncDirectoryNow(dir);
        failpoint("snapshot.on-disk");
        return id;
      });
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }
}
