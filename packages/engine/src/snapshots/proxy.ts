import { ContainerdError, hasCode, snapshotsV1 } from "@ctr/api";
import {
  type Cancel,
  type Labels,
  type Mount,
  SNAPSHOT_REF_LABEL,
  type SnapshotInfo,
  type SnapshotOptions,
  type SnapshotUsage,
} from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import { markDirty } from "../metadata/dirty.ts";
import { addToLease, moveInLease } from "../metadata/leases.ts";
import { ensureNamespace } from "../metadata/namespaces.ts";
import type { Scope } from "../scope.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { publishSnapshot } from "./events.ts";
import { filterSnapshots } from "./filters.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import { connectProxy, type ProxyDaemon } from "./proxy-daemon.ts";
import { changedKeys, inheritedLabels, isOurs, remoteLabels, shownLabels } from "./proxy-labels.ts";
import {
  type BackendRow,
  backendOf,
  backendsIn,
  beginCommit,
  forgetBackend,
  insertMaking,
  leaveCommit,
  letGo,
  linkBackend,
  newBackend,
} from "./proxy-rows.ts";
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
import {
  checkMountable,
  checkSnapshotKey,
  collectForKey,
  getActive,
  refuseTarget,
  snapshotExists,
  targetExists,
} from "./rules.ts";
import type { StoreSnapshotter } from "./store-snapshotter.ts";

/** Failures that tell nothing of what the daemon did. */
const UNANSWERED = ["unavailable", "deadline_exceeded", "cancelled", "unknown", "internal"] as const;

/**
 * A snapshotter of one namespace whose trees another daemon keeps. Names, parents, labels and leases are rows of ours,
 * as of any snapshotter; the daemon has each snapshot under a name of our making. What is written here lasts though
 * the daemon is away; what needs it fails with `unavailable` then.
 */
export class ProxySnapshotter implements StoreSnapshotter {
  readonly name: string;
  readonly #store: Store;
  readonly #scope: Scope;
  readonly #config: ProxyConfig;
  readonly #space: SnapshotSpace;

  constructor(store: Store, scope: Scope, config: ProxyConfig) {
    this.name = config.name;
    this.#store = store;
    this.#scope = scope;
    this.#config = config;
    this.#space = { namespace: scope.namespace, snapshotter: config.name };
  }

  async stat(key: string, options: Cancel): Promise<SnapshotInfo> {
    const { record, backend } = this.#found(key);
    await using daemon = await this.#connect(options);
    const { info } = await daemon.calls.stat(this.#named(backend), this.#call(daemon));
    return withRemote(record, info);
  }

  async setLabels(key: string, labels: Labels, options: Cancel): Promise<SnapshotInfo> {
    return this.update(key, (now) => ({ ...now, ...labels }), options);
  }

  async update(key: string, change: (labels: Labels) => Labels, options: Cancel): Promise<SnapshotInfo> {
    await using daemon = await this.#connect(options);
    const { before, after, backend } = this.#store.db.write((tx) => {
      const before = getSnapshot(tx, this.#space, key);
      setSnapshotLabels(tx, before.id, change(before.labels), this.#store.clock.now());
      return { before, after: getSnapshot(tx, this.#space, key), backend: backendOf(tx, before.id) };
    });
    const labels = inheritedLabels(after.labels);
    const changed = changedKeys(inheritedLabels(before.labels), labels);
    if (changed.length > 0) {
      const updateMask = changed.map((label) => `labels.${label}`);
      const request = { snapshotter: this.#config.remoteName, info: { name: backend, labels }, updateMask };
      await daemon.calls.update(request, this.#call(daemon));
    }
    const { info } = await daemon.calls.stat(this.#named(backend), this.#call(daemon));
    return withRemote(after, info);
  }

  async *walk(filters: readonly string[], options: Cancel): AsyncIterable<SnapshotInfo> {
    const matches = filterSnapshots(filters);
    const { records, backends } = this.#store.db.read((tx) => ({
      records: listSnapshots(tx, this.#space),
      backends: backendsIn(tx, this.#space),
    }));
    if (records.length === 0) return;
    const infos = await this.#remoteInfos(new Set(backends.values()), options);
    for (const record of records) {
      options.signal.throwIfAborted();
      const info = withRemote(record, infos.get(backends.get(record.id) ?? ""));
      if (matches(info)) yield info;
    }
  }

  async usage(key: string, options: Cancel): Promise<SnapshotUsage> {
    const { backend } = this.#found(key);
    await using daemon = await this.#connect(options);
    const { size, inodes } = await daemon.calls.usage(this.#named(backend), this.#call(daemon));
    return { size, inodes };
  }

  async mounts(key: string, options: Cancel): Promise<readonly Mount[]> {
    const { record, backend } = this.#found(key);
    checkMountable(record);
    await using daemon = await this.#connect(options);
    return (await daemon.calls.mounts(this.#named(backend), this.#call(daemon))).mounts;
  }

  async prepare(key: string, parent: string, options: SnapshotOptions): Promise<readonly Mount[]> {
    return this.#create("active", key, parent, options);
  }

  async view(key: string, parent: string, options: SnapshotOptions): Promise<readonly Mount[]> {
    return this.#create("view", key, parent, options);
  }

  async commit(name: string, key: string, options: SnapshotOptions & { readonly parent?: string }): Promise<void> {
    checkSnapshotKey(name, "name");
    await using daemon = await this.#connect(options);
    const fresh = { ...this.#space, backend: newBackend(this.#store.id, this.#space, name) };
    const begun = this.#store.db.write((tx) => {
      if (findSnapshot(tx, this.#space, name) !== undefined) throw snapshotExists(name);
      const record = getActive(tx, this.#space, key);
      const parent = this.#rebased(tx, record, options.parent ?? "");
      return { record, parent, old: backendOf(tx, record.id), ...beginCommit(tx, fresh, record.id) };
    });
    const row = { ...this.#space, backend: begun.backend };
    failpoint("proxy.committing");
    await this.#commitRemote(daemon, row, begun, options);
    failpoint("proxy.committed");
    const { size, inodes } = await daemon.calls.usage(this.#named(row.backend), this.#call(daemon));
    const labels = options.labels ?? {};
    this.#store.db.write((tx) => {
      const { id } = getActive(tx, this.#space, key);
      const now = this.#store.clock.now();
      commitSnapshot(tx, id, { name, parent: begun.parent?.id, labels, size, inodes, now });
      forgetBackend(tx, { ...this.#space, backend: begun.old });
      linkBackend(tx, row, id);
      moveInLease(tx, this.#scope, this.#resource, key, name);
      publishSnapshot(this.#store, tx, this.#space, { kind: "commit", key, name });
    });
  }

  async remove(key: string): Promise<void> {
    this.#store.db.write((tx) => {
      const record = getSnapshot(tx, this.#space, key);
      // Its name in the daemon loses its snapshot, and so becomes garbage.
      deleteSnapshot(tx, record);
      publishSnapshot(this.#store, tx, this.#space, { kind: "remove", key });
      markDirty(tx);
    });
  }

  async cleanup(options: Cancel): Promise<void> {
    const { sweepProxies } = await import("./proxy-sweep.ts");
    using _turn = await this.#store.locks.collect(options);
    await sweepProxies(this.#store, options);
    await using daemon = await this.#connect(options);
    await daemon.calls.cleanup({ snapshotter: this.#config.remoteName }, this.#call(daemon));
  }

  get #resource(): string {
    return `snapshots/${this.name}`;
  }

  #connect(options: Cancel): Promise<ProxyDaemon> {
    return connectProxy(this.#config, options);
  }

  #call(daemon: ProxyDaemon) {
    return daemon.options(this.#space.namespace);
  }

  #named(backend: string) {
    return { snapshotter: this.#config.remoteName, key: backend };
  }

  #found(key: string): { readonly record: SnapshotRecord; readonly backend: string } {
    return this.#store.db.read((tx) => {
      const record = getSnapshot(tx, this.#space, key);
      return { record, backend: backendOf(tx, record.id) };
    });
  }

  /** The parent that a commit leaves the snapshot with. Giving one to a base is for daemons that say they can. */
  #rebased(tx: ReadTx, record: SnapshotRecord, wanted: string) {
    const [own] = record.parents;
    if (own !== undefined) return { id: own, backend: "" };
    const parent = getParent(tx, this.#space, wanted);
    if (parent === undefined) return undefined;
    if (this.#config.capabilities.includes("rebase")) return { id: parent.id, backend: backendOf(tx, parent.id) };
    throw new ContainerdError({
      code: "unimplemented",
      what: `snapshotter ${this.name} cannot give a parent to a snapshot that has none`,
      fix: `if its daemon can, say capabilities = ["rebase"] in ${this.#config.file}`,
    });
  }

  async #commitRemote(
    daemon: ProxyDaemon,
    row: BackendRow,
    begun: { readonly old: string; readonly again: boolean; readonly parent: { readonly backend: string } | undefined },
    options: SnapshotOptions,
  ): Promise<void> {
    const request = {
      snapshotter: this.#config.remoteName,
      name: row.backend,
      key: begun.old,
      labels: remoteLabels(this.#store, options.labels ?? {}),
      parent: begun.parent?.backend ?? "",
    };
    try {
      await daemon.calls.commit(request, this.#call(daemon));
    } catch (error) {
      if (begun.again && (await this.#isCommitted(daemon, row.backend))) return;
      const unanswered = hasCode(error, ...UNANSWERED) || options.signal.aborted;
      this.#store.db.write((tx) => (unanswered ? leaveCommit : forgetBackend)(tx, row));
      throw error;
    }
  }

  async #isCommitted(daemon: ProxyDaemon, backend: string): Promise<boolean> {
    try {
      const { info } = await daemon.calls.stat(this.#named(backend), this.#call(daemon));
      return info?.kind === snapshotsV1.Kind.COMMITTED;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
      throw error;
    }
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
    // Before anything is written down: a daemon that is away leaves nothing to be cleaned up.
    await using daemon = await this.#connect(options);
    const row = { ...this.#space, backend: newBackend(this.#store.id, this.#space, key) };
    const parent = this.#store.db.write((tx) => {
      if (findSnapshot(tx, this.#space, key) !== undefined) throw snapshotExists(key);
      const found = getParent(tx, this.#space, parentName);
      ensureNamespace(tx, this.#space.namespace);
      insertMaking(tx, row);
      return found === undefined ? undefined : { id: found.id, backend: backendOf(tx, found.id) };
    });
    failpoint("proxy.making");
    try {
      const mounts = await this.#createRemote(daemon, { kind, backend: row.backend, parent, labels });
      failpoint("proxy.made");
      this.#store.db.write((tx) => this.#record(tx, { kind, key, parentName, labels, row }));
      return mounts;
    } catch (error) {
      this.#store.db.write((tx) => {
        letGo(tx, row);
        markDirty(tx);
      });
      throw error;
    }
  }

  #record(
    tx: WriteTx,
    made: {
      readonly kind: "active" | "view";
      readonly key: string;
      readonly parentName: string;
      readonly labels: Labels;
      readonly row: BackendRow;
    },
  ): void {
    const { kind, key, parentName, labels, row } = made;
    if (findSnapshot(tx, this.#space, key) !== undefined) throw snapshotExists(key);
    // Looked up again: it may have been removed since.
    const parent = getParent(tx, this.#space, parentName)?.id;
    const id = insertSnapshot(tx, this.#space, { key, kind, parent, labels, now: this.#store.clock.now() });
    linkBackend(tx, row, id);
    addToLease(tx, this.#scope, this.#resource, key);
    if (kind === "active") publishSnapshot(this.#store, tx, this.#space, { kind: "prepare", key, parent: parentName });
  }

  /**
   * A remote snapshotter that has, or can fetch, what an extraction is to become answers `already_exists`: then that
   * gets a record, and the caller hears the same. Unless it is there for somebody else, who may take it away any time.
   */
  async #createRemote(daemon: ProxyDaemon, wanted: Wanted): Promise<readonly Mount[]> {
    const { kind, backend: key, parent, labels } = wanted;
    const snapshotter = this.#config.remoteName;
    const request = { snapshotter, key, parent: parent?.backend ?? "", labels: remoteLabels(this.#store, labels) };
    const create = async (sent: typeof request) =>
      (await (kind === "view" ? daemon.calls.view : daemon.calls.prepare)(sent, this.#call(daemon))).mounts;
    const target = labels[SNAPSHOT_REF_LABEL];
    try {
      return await create(request);
    } catch (error) {
      if (target === undefined || !hasCode(error, "already_exists")) throw error;
      const backend = await this.#findTarget(daemon, target, request.parent);
      if (backend !== undefined) {
        this.#adopt(backend, { target, parent: parent?.id, labels });
        throw targetExists(target);
      }
      await this.#removeIfThere(daemon, key);
      const { [SNAPSHOT_REF_LABEL]: _target, ...others } = request.labels;
      return await create({ ...request, labels: others });
    }
  }

  /** Some have made the snapshot by the time they find the target there. */
  async #removeIfThere(daemon: ProxyDaemon, backend: string): Promise<void> {
    try {
      await daemon.calls.remove(this.#named(backend), this.#call(daemon));
    } catch (error) {
      if (!hasCode(error, "not_found")) throw error;
    }
  }

  /** The committed snapshot that the daemon made for us of a target. */
  async #findTarget(daemon: ProxyDaemon, target: string, parent: string): Promise<string | undefined> {
    const filters = [`labels.${JSON.stringify(SNAPSHOT_REF_LABEL)}==${JSON.stringify(target)}`];
    const pages = daemon.calls.list({ snapshotter: this.#config.remoteName, filters }, this.#call(daemon));
    for await (const { info } of pages) {
      const found = info.find(
        (each) =>
          each.kind === snapshotsV1.Kind.COMMITTED &&
          each.parent === parent &&
          each.labels[SNAPSHOT_REF_LABEL] === target &&
          isOurs(this.#store, each.labels),
      );
      if (found !== undefined) return found.name;
    }
    return undefined;
  }

  /** Records a committed snapshot that the daemon made by itself. */
  #adopt(
    backend: string,
    made: { readonly target: string; readonly parent: bigint | undefined; readonly labels: Labels },
  ): void {
    const { target, parent, labels } = made;
    this.#store.db.write((tx) => {
      if (findSnapshot(tx, this.#space, target) !== undefined) return;
      const now = this.#store.clock.now();
      const id = insertSnapshot(tx, this.#space, { key: target, kind: "active", parent, labels, now });
      commitSnapshot(tx, id, { name: target, parent, labels, size: 0n, inodes: 0n, now });
      linkBackend(tx, { ...this.#space, backend }, id);
      addToLease(tx, this.#scope, this.#resource, target);
    });
  }

  /** What the daemon tells of its snapshots that are ours, by its names. */
  async #remoteInfos(names: ReadonlySet<string>, options: Cancel): Promise<ReadonlyMap<string, snapshotsV1.Info>> {
    const infos = new Map<string, snapshotsV1.Info>();
    await using daemon = await this.#connect(options);
    const pages = daemon.calls.list({ snapshotter: this.#config.remoteName }, this.#call(daemon));
    for await (const { info } of pages) {
      for (const each of info) if (names.has(each.name)) infos.set(each.name, each);
    }
    return infos;
  }
}

/** A snapshot to be made in the daemon. */
interface Wanted {
  readonly kind: "active" | "view";
  readonly backend: string;
  readonly parent: { readonly id: bigint; readonly backend: string } | undefined;
  readonly labels: Labels;
}

/** Labels the daemon has put on a snapshot are seen beside ours, which count where both name one. */
function withRemote(record: SnapshotInfo, remote: snapshotsV1.Info | undefined): SnapshotInfo {
  return { ...record, labels: { ...shownLabels(remote?.labels ?? {}), ...record.labels } };
}
