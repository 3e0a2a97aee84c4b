import {
  ContainerdError,
  type DecodedAny,
  encodeJsonAny,
  LINUX_RESOURCES_TYPE_URL,
  loadAnyCodecs,
  type protobufAny,
  services,
  type taskTypes,
} from "@ctr/api";
import type { Descriptor, Image, Mount, SpecProcess, Timestamp } from "@ctr/oci";
import type { CheckpointSettings } from "./checkpoint.ts";
import type { Client } from "./client.ts";
import type { CallSettings } from "./settings.ts";
import { descriptorFromWire, descriptorToWire, timestampFromWire } from "./wire.ts";

export type TaskStatus = "unknown" | "created" | "running" | "stopped" | "paused" | "pausing";

/** Where a process reads and writes: FIFO paths or a log URI, "" for none. Engine reference: Stdio. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

/** A task, or a further process in it, as the daemon sees it. */
export interface ProcessInfo extends StdioPaths {
  /** The container's id for a task, else the exec id. */
  readonly id: string;
  readonly pid: number;
  readonly status: TaskStatus;
  /** Meaningful when stopped. */
  readonly exitCode: number;
  readonly exitedAt: Timestamp | undefined;
}

/** How a process ended: its own code, or 128 and the number of the signal that killed it. */
export interface Exit {
  readonly exitCode: number;
  readonly exitedAt: Timestamp | undefined;
}

export interface NewTask extends Partial<StdioPaths> {
  readonly containerId: string;
  readonly rootfs: readonly Mount[];
  /** A CRIU dump to restore. */
  readonly checkpoint?: Descriptor | undefined;
  /** What the runtime takes, such as `containerd.runc.v1.Options`. */
  readonly options?: protobufAny.Any | undefined;
  /** A shim other than the container's runtime names. */
  readonly runtimePath?: string | undefined;
}

export interface NewExec extends Partial<StdioPaths> {
  readonly containerId: string;
  readonly execId: string;
  /** The runtime spec's `process`. */
  readonly process: SpecProcess;
}

export interface ExecSettings extends CallSettings {
  /** A further process of the task; its first one when left out. */
  readonly execId?: string | undefined;
}

export interface KillSettings extends ExecSettings {
  /** Every process in the container. */
  readonly all?: boolean | undefined;
}

export interface Metric {
  readonly id: string;
  readonly timestamp: Timestamp | undefined;
  readonly data: DecodedAny | undefined;
  /** As it came. */
  readonly raw: protobufAny.Any | undefined;
}

/** Running things, by id and without IO; `Task` is the comfortable form. Engine reference: Tasks service. */
export class Tasks {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Makes the task, its process held before the first instruction. */
  async create(task: NewTask, settings: CallSettings = {}): Promise<{ readonly pid: number }> {
    const { containerId, rootfs, checkpoint, options, runtimePath = "" } = task;
    const checkpointWire = checkpoint && descriptorToWire(checkpoint);
    const request = { containerId, rootfs, checkpoint: checkpointWire, options, runtimePath, ...stdioToWire(task) };
    const { pid } = await (await this.#service).create(request, this.#client.callOptions(settings));
    return { pid };
  }

  async start(containerId: string, settings: ExecSettings = {}): Promise<{ readonly pid: number }> {
    const request = { containerId, execId: settings.execId ?? "" };
    const { pid } = await (await this.#service).start(request, this.#client.callOptions(settings));
    return { pid };
  }

  async get(containerId: string, settings: ExecSettings = {}): Promise<ProcessInfo> {
    const request = { containerId, execId: settings.execId ?? "" };
    const { process } = await (await this.#service).get(request, this.#client.callOptions(settings));
    if (process !== undefined) return processFromWire(process);
    throw new ContainerdError({ code: "internal", what: "cannot read tasks answer", why: "it has no process" });
  }

  /** Tasks of the namespace. */
  async list(settings: CallSettings = {}): Promise<readonly ProcessInfo[]> {
    const { tasks } = await (await this.#service).list({}, this.#client.callOptions(settings));
    return tasks.map(processFromWire);
  }

  /** Pids in the container, with the exec id where the runtime tells it. */
  async listPids(
    containerId: string,
    settings: CallSettings = {},
  ): Promise<readonly { readonly pid: number; readonly info: DecodedAny | undefined }[]> {
    const { processes } = await (await this.#service).listPids({ containerId }, this.#client.callOptions(settings));
    const { decodeAny } = await loadAnyCodecs();
    return processes.map(({ pid, info }) => ({ pid, info: info && decodeAny(info) }));
  }

  /** Sends a signal, given as `SIGTERM`, `term` or 15. */
  async kill(containerId: string, signal: string | number, settings: KillSettings = {}): Promise<void> {
    const { execId = "", all = false } = settings;
    const { parseSignal } = await import("./signals.ts");
    const request = { containerId, execId, signal: parseSignal(signal), all };
    await (await this.#service).kill(request, this.#client.callOptions(settings));
  }

  async pause(containerId: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).pause({ containerId }, this.#client.callOptions(settings));
  }

  async resume(containerId: string, settings: CallSettings = {}): Promise<void> {
    await (await this.#service).resume({ containerId }, this.#client.callOptions(settings));
  }

  /** Deletes a stopped task, or one never started. */
  async delete(containerId: string, settings: CallSettings = {}): Promise<Exit> {
    return exitFromWire(await (await this.#service).delete({ containerId }, this.#client.callOptions(settings)));
  }

  async deleteProcess(containerId: string, execId: string, settings: CallSettings = {}): Promise<Exit> {
    const request = { containerId, execId };
    return exitFromWire(await (await this.#service).deleteProcess(request, this.#client.callOptions(settings)));
  }

  /** Adds a process to a running task; `start` with its exec id runs it. */
  async exec(exec: NewExec, settings: CallSettings = {}): Promise<void> {
    const { containerId, execId, process } = exec;
    const { processToWire } = await import("./process-wire.ts");
    const spec = processToWire(process);
    await (await this.#service).exec(
      { containerId, execId, spec, ...stdioToWire(exec) },
      this.#client.callOptions(settings),
    );
  }

  /** Resolves when the process has ended. Ask before deleting it: the exit code goes with it. */
  async wait(containerId: string, settings: ExecSettings = {}): Promise<Exit> {
    const request = { containerId, execId: settings.execId ?? "" };
    return exitFromWire(await (await this.#service).wait(request, this.#client.callOptions(settings)));
  }

  /** Sets the terminal's size in characters. */
  async resizePty(containerId: string, size: WindowSize, settings: ExecSettings = {}): Promise<void> {
    const request = { containerId, execId: settings.execId ?? "", width: size.width, height: size.height };
    await (await this.#service).resizePty(request, this.#client.callOptions(settings));
  }

  /** Lets the process see the end of its stdin, once every writer of the FIFO is closed. */
  async closeIo(containerId: string, settings: ExecSettings = {}): Promise<void> {
    const request = { containerId, execId: settings.execId ?? "", stdin: true };
    await (await this.#service).closeIO(request, this.#client.callOptions(settings));
  }

  /** Filter fields are `id` and `namespace`. */
  async metrics(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly Metric[]> {
    const { metrics } = await (await this.#service).metrics({ filters }, this.#client.callOptions(settings));
    const { decodeAny } = await loadAnyCodecs();
    return metrics.map(({ id, timestamp, data }) => ({
      id,
      timestamp: timestampFromWire(timestamp),
      data: data && decodeAny(data),
      raw: data,
    }));
  }

  /** Changes limits: `resources` is the runtime spec's `linux.resources`. */
  async update(containerId: string, resources: unknown, settings: CallSettings = {}): Promise<void> {
    const request = { containerId, resources: encodeJsonAny(LINUX_RESOURCES_TYPE_URL, resources) };
    await (await this.#service).update(request, this.#client.callOptions(settings));
  }

  /** Dumps a task with CRIU; `options` is a `containerd.runc.v1.CheckpointOptions`. */
  async checkpoint(
    containerId: string,
    settings: CallSettings & { readonly options?: protobufAny.Any | undefined } = {},
  ): Promise<readonly Descriptor[]> {
    const request = { containerId, options: settings.options };
    const { descriptors } = await (await this.#service).checkpoint(request, this.#client.callOptions(settings));
    return descriptors.map(descriptorFromWire);
  }

  /**
   * Dumps a task with CRIU and keeps what a restore takes as an image. Undefined where the options name a directory of the
   * daemon's for the dump.
   */
  async checkpointImage(containerId: string, settings: CheckpointSettings): Promise<Image | undefined> {
    const { checkpointTask } = await import("./checkpoint.ts");
    return await checkpointTask(this.#client, containerId, settings);
  }

  get #service() {
    return this.#client.service(services.tasks);
  }
}

/** Characters across and down. */
export interface WindowSize {
  readonly width: number;
  readonly height: number;
}

const statuses: Readonly<Record<number, TaskStatus>> = {
  1: "created",
  2: "running",
  3: "stopped",
  4: "paused",
  5: "pausing",
};

function stdioToWire({ stdin = "", stdout = "", stderr = "", terminal = false }: Partial<StdioPaths>): StdioPaths {
  return { stdin, stdout, stderr, terminal };
}

function processFromWire(process: taskTypes.Process): ProcessInfo {
  const { id, pid, stdin, stdout, stderr, terminal, exitStatus: exitCode } = process;
  const status = statuses[process.status] ?? "unknown";
  return { id, pid, status, stdin, stdout, stderr, terminal, exitCode, exitedAt: timestampFromWire(process.exitedAt) };
}

function exitFromWire({ exitStatus, exitedAt }: { exitStatus: number; exitedAt: Timestamp | undefined }): Exit {
  return { exitCode: exitStatus, exitedAt: timestampFromWire(exitedAt) };
}
