import type { SpecProcess } from "@ctr/oci";
import type { Client } from "./client.ts";
import type { ContainerNetwork } from "./cni/cni.ts";
import { ContainerProcess, type ProcessParts } from "./process.ts";
import { type IoChoice, openProcessIo } from "./process-io.ts";
import { randomId } from "./random-id.ts";
import type { CallSettings } from "./settings.ts";
import type { Metric, TaskStatus } from "./tasks.ts";

export interface ExecOptions extends CallSettings {
  readonly args: readonly string[];
  /** Made up when left out. */
  readonly execId?: string | undefined;
  /** Piped unless said otherwise. */
  readonly io?: IoChoice | undefined;
  /** Laid over the process of the container's spec: `cwd`, `env`, `user`… */
  readonly process?: Partial<SpecProcess> | undefined;
}

/** A running container: its first process, and the door to further ones. */
export class Task extends ContainerProcess {
  readonly #client: Client;
  readonly #process: SpecProcess | undefined;
  #network: ContainerNetwork | undefined;

  constructor(parts: ProcessParts & { readonly process?: SpecProcess | undefined }) {
    super(parts);
    this.#client = parts.client;
    this.#process = parts.process;
  }

  /** The container's id. */
  get id(): string {
    return this.containerId;
  }

  /** What it was connected to when it was created. */
  get network(): ContainerNetwork | undefined {
    return this.#network;
  }

  /** Says that it was connected. */
  connected(network: ContainerNetwork): void {
    this.#network = network;
  }

  async status(settings: CallSettings = {}): Promise<TaskStatus> {
    return (await this.info(settings)).status;
  }

  async pause(settings: CallSettings = {}): Promise<void> {
    await this.#client.tasks.pause(this.id, settings);
  }

  async resume(settings: CallSettings = {}): Promise<void> {
    await this.#client.tasks.resume(this.id, settings);
  }

  /** Pids of everything that runs in the container. */
  async pids(settings: CallSettings = {}): Promise<readonly number[]> {
    return (await this.#client.tasks.listPids(this.id, settings)).map(({ pid }) => pid);
  }

  async metrics(settings: CallSettings = {}): Promise<Metric | undefined> {
    return (await this.#client.tasks.metrics([`id==${this.id}`], settings))[0];
  }

  /** Adds a process, not started yet; it has the environment and rights of the first one. */
  async exec(options: ExecOptions): Promise<ContainerProcess> {
    const { args, execId = `exec-${randomId()}`, io: choice = { kind: "pipe" } } = options;
    const io = openProcessIo(choice, execId);
    try {
      const base = this.#process ?? { user: { uid: 0, gid: 0 }, cwd: "/" };
      const process = { ...base, ...options.process, args, terminal: io.paths.terminal };
      await this.#client.tasks.exec({ containerId: this.id, execId, process, ...io.paths }, options);
      return new ContainerProcess({ client: this.#client, containerId: this.id, execId, io, pid: 0 });
    } catch (error) {
      await io.close();
      throw error;
    }
  }
}
