import { ContainerdError, hasCode, type protobufAny } from "@ctr/api";
import type { Descriptor, Labels, Mount, Spec, Timestamp } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { CniOptions } from "./cni/cni.ts";
import { networkTarget, wantsNetwork } from "./cni/container-network.ts";
import type { ContainerRecord } from "./containers.ts";
import { type IoChoice, openProcessIo, type ProcessIo } from "./process-io.ts";
import { type CallSettings, signalOf } from "./settings.ts";
import { Task } from "./task.ts";

export interface CreateTaskOptions extends CallSettings {
  /** Piped unless said otherwise, or through a terminal where the spec asks for one. */
  readonly io?: IoChoice | undefined;
  /** What the runtime takes, such as `containerd.runc.v1.Options`. */
  readonly runtimeOptions?: protobufAny.Any | undefined;
  /** A shim other than the one the container's runtime names. */
  readonly runtimePath?: string | undefined;
  /** The mounts that preparing its snapshot gave; asked for when left out. */
  readonly rootfs?: readonly Mount[] | undefined;
  /** A CRIU dump to restore. */
  readonly checkpoint?: Descriptor | undefined;
  /** Where CNI's parts are, for a container whose tasks are connected to a network. */
  readonly cni?: CniOptions | undefined;
  /** Runs after the task was disposed of. */
  readonly afterDispose?: (() => Promise<void>) | undefined;
}

export interface DeleteContainerOptions extends CallSettings {
  /** Leaves the snapshot. */
  readonly keepSnapshot?: boolean | undefined;
  /** Its task is known to be deleted, or there never was one: nobody is asked for it. */
  readonly isTaskless?: boolean | undefined;
  /** Where CNI's parts are, for a container that was connected to a network. */
  readonly cni?: CniOptions | undefined;
}

/** A container's record, as it was when it was read, and what can be done with it. */
export class Container implements ContainerRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly image: string;
  readonly runtime: ContainerRecord["runtime"];
  readonly rawSpec: protobufAny.Any | undefined;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly extensions: ContainerRecord["extensions"];
  readonly sandboxId: string;
  readonly createdAt: Timestamp | undefined;
  readonly updatedAt: Timestamp | undefined;
  readonly #client: Client;
  readonly #record: ContainerRecord;

  constructor(client: Client, record: ContainerRecord) {
    this.#client = client;
    this.#record = record;
    this.id = record.id;
    this.labels = record.labels;
    this.image = record.image;
    this.runtime = record.runtime;
    this.rawSpec = record.rawSpec;
    this.snapshotter = record.snapshotter;
    this.snapshotKey = record.snapshotKey;
    this.extensions = record.extensions;
    this.sandboxId = record.sandboxId;
    this.createdAt = record.createdAt;
    this.updatedAt = record.updatedAt;
  }

  /** Read when it is first asked for: a list of containers seldom needs it. Throws `invalid_argument` for one that is no JSON. */
  get spec(): Spec | undefined {
    return this.#record.spec;
  }

  /** Sets labels; an empty value deletes. Labels not named stay. */
  async setLabels(labels: Labels, settings: CallSettings = {}): Promise<Container> {
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    return this.#client.containers.update({ id: this.id, labels }, paths, settings);
  }

  /** Makes the task, its process held before the first instruction: `start` lets it go. */
  async createTask(options: CreateTaskOptions = {}): Promise<Task> {
    const io = openProcessIo(options.io ?? this.#defaultIo(), this.id);
    try {
      const rootfs = await this.#rootfs(options);
      const { runtimeOptions, runtimePath, checkpoint } = options;
      const task = { containerId: this.id, rootfs, options: runtimeOptions, runtimePath, checkpoint, ...io.paths };
      const { pid } = await this.#client.tasks.create(task, options);
      return await this.#connected(this.#task(io, pid, options), options);
    } catch (error) {
      if (signalOf(options).aborted) await this.#dropHalfMade();
      await io.close();
      throw error;
    }
  }

  /** The task there is, with its streams opened again if their FIFOs are still there. `not_found` without a task. */
  async attach(settings: CallSettings = {}): Promise<Task> {
    const info = await this.#client.tasks.get(this.id, settings);
    const task = this.#task(openProcessIo({ kind: "fifos", paths: info }, this.id), info.pid);
    task.reattached();
    return task;
  }

  /** The task there is, without streams. `not_found` without a task. */
  async task(settings: CallSettings = {}): Promise<Task> {
    const { pid } = await this.#client.tasks.get(this.id, settings);
    return this.#task(openProcessIo({ kind: "null" }, this.id), pid);
  }

  /** The task, without asking whether there is one: who exec's in it is told. Its pid is not known then, and 0. */
  presumedTask(): Task {
    return this.#task(openProcessIo({ kind: "null" }, this.id), 0);
  }

  /** Deletes snapshot and record. `failed_precondition` while a task is there that has not ended. */
  async delete(options: DeleteContainerOptions = {}): Promise<void> {
    if (options.isTaskless !== true) await this.#deleteTask(options);
    await this.disconnect(options.cni);
    if (this.snapshotKey !== "" && !(options.keepSnapshot ?? false)) {
      await this.#client.snapshots(this.snapshotter).remove(this.snapshotKey, options).catch(ignoreMissing);
    }
    await this.#client.containers.delete(this.id, options);
  }

  /** Takes down the network that its task was connected to, once the task is gone. Nothing there is no error. */
  async disconnect(options: CniOptions = {}): Promise<void> {
    if (!wantsNetwork(this)) return;
    const { detachNetworks } = await import("./cni/cni.ts");
    await detachNetworks(networkTarget(this.#client.namespace, this), options);
  }

  /** `task` with its network, where the record asks for one; a task that cannot have it is deleted. */
  async #connected(task: Task, options: CreateTaskOptions): Promise<Task> {
    if (!wantsNetwork(this)) return task;
    try {
      this.#checkNetworkNamespace();
      const { attachNetwork } = await import("./cni/cni.ts");
      const target = { ...networkTarget(this.#client.namespace, this), pid: task.pid };
      task.connected(await attachNetwork(target, options.cni ?? {}, options.cni?.signal ?? signalOf(options)));
      return task;
    } catch (error) {
      // The error that led here is the one to see.
      await task[Symbol.asyncDispose]().catch(() => undefined);
      throw error;
    }
  }

  /** Without a namespace of its own it is in that of the daemon, which may be another than this process's. */
  #checkNetworkNamespace(): void {
    if (this.spec?.linux?.namespaces?.some(({ type }) => type === "network")) return;
    throw new ContainerdError({
      code: "failed_precondition",
      what: "cannot connect container to a network",
      where: { container: this.id },
      why: "its spec has no network namespace",
      fix: "run it without --cni, or with a spec that has one",
    });
  }

  #task(io: ProcessIo, pid: number, options: CreateTaskOptions = {}): Task {
    const process = this.spec?.process;
    const afterDispose = async () => {
      await this.disconnect(options.cni);
      await options.afterDispose?.();
    };
    return new Task({ client: this.#client, containerId: this.id, io, pid, process, afterDispose });
  }

  #defaultIo(): IoChoice {
    return { kind: this.spec?.process?.terminal === true ? "terminal" : "pipe" };
  }

  /** A spec with a mount label wants its root filesystem mounted under it. */
  async #rootfs({ rootfs, ...settings }: CreateTaskOptions): Promise<readonly Mount[]> {
    if (this.snapshotKey === "") return [];
    const mounts = rootfs ?? (await this.#client.snapshots(this.snapshotter).mounts(this.snapshotKey, settings));
    const label = this.spec?.linux?.mountLabel;
    if (label === undefined || label === "") return mounts;
    return mounts.map((mount) => ({ ...mount, options: [...mount.options, `context=${JSON.stringify(label)}`] }));
  }

  async #deleteTask(settings: CallSettings): Promise<void> {
    try {
      const { status } = await this.#client.tasks.get(this.id, settings);
      if (status !== "stopped" && status !== "created") throw stillThere(this.id, status);
      await this.#client.tasks.delete(this.id, settings);
    } catch (error) {
      ignoreMissing(error);
    }
  }

  /** A cancelled create may have come through all the same; without the signal, which has fired. */
  async #dropHalfMade(): Promise<void> {
    try {
      await this.#client.tasks.delete(this.id);
    } catch {
      // Nothing was made, or it cannot be told: the error that led here is the one to see.
    }
  }
}

function stillThere(id: string, status: string): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot delete container",
    where: { container: id },
    why: `its task is ${status}, expected stopped`,
    fix: `stop it first: ctr tasks kill -s SIGKILL ${id}`,
  });
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, "not_found")) throw error;
}
