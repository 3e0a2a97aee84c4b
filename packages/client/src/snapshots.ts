import { ContainerdError, services, type snapshotsV1 } from "@ctr/api";
import type { Labels, Mount, SnapshotInfo, SnapshotKind, Snapshotter, SnapshotUsage } from "@ctr/oci";
import type { Client } from "./client.ts";
import { labelPaths } from "./label-paths.ts";
import type { CallSettings } from "./settings.ts";
import { snapshotSummaries } from "./summary-wire.ts";
import { mountsFromWire, timestampFromWire } from "./wire.ts";

export interface SnapshotSettings extends CallSettings {
  readonly labels?: Labels | undefined;
}

/** What a list shows of a snapshot. */
export type SnapshotSummary = Pick<SnapshotInfo, "kind" | "name" | "parent">;

/** One snapshotter of a namespace, over the wire. Engine reference: Snapshots. */
export class RemoteSnapshotter implements Snapshotter {
  readonly name: string;
  readonly #client: Client;

  constructor(client: Client, name: string) {
    this.name = name;
    this.#client = client;
  }

  async stat(key: string, settings: CallSettings = {}): Promise<SnapshotInfo> {
    const { info } = await (await this.#service).stat(
      { snapshotter: this.name, key },
      this.#client.callOptions(settings),
    );
    return infoFromWire(info);
  }

  /** Sets labels; an empty value deletes. Labels not named stay. */
  async setLabels(name: string, labels: Labels, settings: CallSettings = {}): Promise<SnapshotInfo> {
    const updateMask = labelPaths(labels);
    if (updateMask.length === 0) return this.stat(name, settings);
    const request = { snapshotter: this.name, info: { name, labels }, updateMask };
    const { info } = await (await this.#service).update(request, this.#client.callOptions(settings));
    return infoFromWire(info);
  }

  /** Snapshots of the namespace; filter fields are `kind`, `name`, `parent` and `labels.*`. */
  async *walk(filters: readonly string[] = [], settings: CallSettings = {}): AsyncIterable<SnapshotInfo> {
    const request = { snapshotter: this.name, filters };
    for await (const { info } of (await this.#service).list(request, this.#client.callOptions(settings))) {
      for (const entry of info) yield infoFromWire(entry);
    }
  }

  /** What `walk` gives, page by page as it comes, for who only shows it: cheap, however many there are. */
  async *summaries(
    filters: readonly string[] = [],
    settings: CallSettings = {},
  ): AsyncIterable<readonly SnapshotSummary[]> {
    const options = this.#client.callOptions(settings);
    const service = await this.#client.service(snapshotSummaries);
    for await (const { info } of service.list({ snapshotter: this.name, filters }, options)) {
      yield info.map(({ kind, name, parent }) => ({ kind: kinds[kind] ?? "unknown", name, parent }));
    }
  }

  async usage(key: string, settings: CallSettings = {}): Promise<SnapshotUsage> {
    const options = this.#client.callOptions(settings);
    const { size, inodes } = await (await this.#service).usage({ snapshotter: this.name, key }, options);
    return { size, inodes };
  }

  /** How to mount an active one or a view; `failed_precondition` for a committed one. */
  async mounts(key: string, settings: CallSettings = {}): Promise<readonly Mount[]> {
    const { mounts } = await (await this.#service).mounts(
      { snapshotter: this.name, key },
      this.#client.callOptions(settings),
    );
    return mountsFromWire(mounts);
  }

  async prepare(key: string, parent: string, settings: SnapshotSettings = {}): Promise<readonly Mount[]> {
    const request = { snapshotter: this.name, key, parent, labels: settings.labels ?? {} };
    const { mounts } = await (await this.#service).prepare(request, this.#client.callOptions(settings));
    return mountsFromWire(mounts);
  }

  async view(key: string, parent: string, settings: SnapshotSettings = {}): Promise<readonly Mount[]> {
    const request = { snapshotter: this.name, key, parent, labels: settings.labels ?? {} };
    const { mounts } = await (await this.#service).view(request, this.#client.callOptions(settings));
    return mountsFromWire(mounts);
  }

  /** Makes `key` the committed `name`. The labels given replace those that `key` had. */
  async commit(name: string, key: string, settings: SnapshotSettings = {}): Promise<void> {
    const request = { snapshotter: this.name, name, key, labels: settings.labels ?? {} };
    await (await this.#service).commit(request, this.#client.callOptions(settings));
  }

  async remove(key: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).remove({ snapshotter: this.name, key }, this.#client.callOptions(settings));
  }

  /** Asks the snapshotter to drop orphaned directories; `unimplemented` where it has nothing of the kind. */
  async cleanup(settings: CallSettings = {}): Promise<void> {
    await (await this.#service).cleanup({ snapshotter: this.name }, this.#client.callOptions(settings));
  }

  get #service() {
    return this.#client.service(services.snapshots);
  }
}

const kinds: Readonly<Record<number, SnapshotKind>> = { 1: "view", 2: "active", 3: "committed" };

function infoFromWire(info: snapshotsV1.Info | undefined): SnapshotInfo {
  if (info === undefined) {
    throw new ContainerdError({ code: "internal", what: "cannot read snapshots answer", why: "it has no info" });
  }
  return {
    kind: kinds[info.kind] ?? "unknown",
    name: info.name,
    parent: info.parent,
    labels: info.labels,
    createdAt: timestampFromWire(info.createdAt),
    updatedAt: timestampFromWire(info.updatedAt),
  };
}
