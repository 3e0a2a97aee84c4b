import { type containersV1, hasCode, NAMESPACE_HEADER, services, taskTypes } from "@ctr/api";
import { type CallOptions, type Channel, createClient } from "@ctr/rpc";
import { pause } from "../store/pause.ts";
import { RESTART, restartAction, restartCount, type TaskNow } from "./restart-policy.ts";

export interface RestartMonitorOptions {
  /** Milliseconds between two looks; 10 s, as containerd, without it. */
  readonly intervalMs?: number;
}

const INTERVAL_MS = 10_000;
const SIGKILL = 9;
/** So long a container may be without a task because who made it is about to make the task. */
const YOUNG_MS = 10_000;
/** A look that takes longer is given up, and the next one tries again. */
const LOOK_TIMEOUT_MS = 60_000;

type Container = containersV1.Container;

/** Keeps the tasks of labelled containers as their labels want them, in every namespace, until disposed. */
export async function monitorRestarts(
  channel: Channel,
  { intervalMs = INTERVAL_MS }: RestartMonitorOptions = {},
): Promise<AsyncDisposable> {
  const stop = new AbortController();
  const monitor = new RestartMonitor(await loadClients(channel));
  const done = run(monitor, intervalMs, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

async function run(monitor: RestartMonitor, intervalMs: number, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
    // What goes wrong shows in the container that does not run; the next look tries again.
    await monitor.look(signal).catch(() => undefined);
    await pause(intervalMs, stop);
  }
}

async function loadClients(channel: Channel) {
  const [namespaces, containers, tasks, snapshots] = await Promise.all([
    services.namespaces(),
    services.containers(),
    services.tasks(),
    services.snapshots(),
  ]);
  return {
    namespaces: createClient(namespaces, channel),
    containers: createClient(containers, channel),
    tasks: createClient(tasks, channel),
    snapshots: createClient(snapshots, channel),
  };
}

class RestartMonitor {
  readonly #clients: Awaited<ReturnType<typeof loadClients>>;

  constructor(clients: Awaited<ReturnType<typeof loadClients>>) {
    this.#clients = clients;
  }

  /** Looks once at every container that has the label, and does what is to be done, side by side. */
  async look(signal: AbortSignal): Promise<void> {
    const { namespaces } = await this.#clients.namespaces.list({}, { signal });
    await Promise.allSettled(namespaces.map(({ name }) => this.#lookAt(name, signal)));
  }

  async #lookAt(namespace: string, signal: AbortSignal): Promise<void> {
    const call = { signal, metadata: { [NAMESPACE_HEADER]: namespace } };
    const filters = [`labels.${JSON.stringify(RESTART.status)}`];
    const { containers } = await this.#clients.containers.list({ filters }, call);
    await Promise.allSettled(containers.map((container) => this.#reconcile(container, call)));
  }

  async #reconcile(container: Container, call: CallOptions): Promise<void> {
    const task = await this.#taskOf(container.id, call);
    const action = restartAction(container.labels, task);
    if (action === "leave" || (task.status === "none" && isYoung(container))) return;
    if (action === "start") await this.#count(container, call);
    if (task.status !== "none") await this.#end(container.id, task, call);
    if (action === "start") await this.#start(container, call);
  }

  async #taskOf(containerId: string, call: CallOptions): Promise<TaskNow> {
    try {
      const { process } = await this.#clients.tasks.get({ containerId }, call);
      const exitStatus = process?.exitStatus ?? 0;
      if (process?.status === taskTypes.Status.STOPPED) return { status: "stopped", exitStatus };
      return { status: process?.status === taskTypes.Status.RUNNING ? "running" : "other", exitStatus };
    } catch (error) {
      if (hasCode(error, "not_found")) return { status: "none", exitStatus: 0 };
      throw error;
    }
  }

  /** Counted before the start: a container that takes the engine down with it must not be started for ever. */
  async #count({ id, labels }: Container, call: CallOptions): Promise<void> {
    const container = { id, labels: { [RESTART.count]: String(restartCount(labels) + 1) } };
    await this.#clients.containers.update({ container, updateMask: [`labels.${RESTART.count}`] }, call);
  }

  async #end(containerId: string, task: TaskNow, call: CallOptions): Promise<void> {
    const { tasks } = this.#clients;
    if (task.status !== "stopped") {
      const ended = tasks.wait({ containerId }, call);
      try {
        await tasks.kill({ containerId, signal: SIGKILL, all: true }, call);
      } catch (error) {
        // It ended by itself just now.
        if (!hasCode(error, "not_found")) throw error;
      }
      await ended;
    }
    await tasks.delete({ containerId }, call);
  }

  async #start({ id: containerId, labels, snapshotter, snapshotKey }: Container, call: CallOptions): Promise<void> {
    const { tasks, snapshots } = this.#clients;
    const rootfs = snapshotKey === "" ? [] : (await snapshots.mounts({ snapshotter, key: snapshotKey }, call)).mounts;
    const log = labels[RESTART.logUri] ?? "";
    await tasks.create({ containerId, rootfs, stdout: log, stderr: log }, call);
    await tasks.start({ containerId }, call);
  }
}

function isYoung({ createdAt }: Container): boolean {
  const created = createdAt === undefined ? 0 : Number(createdAt.seconds) * 1000;
  return Math.abs(Date.now() - created) < YOUNG_MS;
}
