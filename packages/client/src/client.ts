import { type containersV1, LEASE_HEADER, NAMESPACE_HEADER } from "@ctr/api";
import type { CallOptions, Channel, ServiceClient, ServiceDefinition } from "@ctr/rpc";
import type { Containers } from "./containers.ts";
import type { RemoteContentStore } from "./content.ts";
import type { RemoteDiffer } from "./differ.ts";
import type { Events } from "./events.ts";
import type { Images } from "./images.ts";
import type { Introspection } from "./introspection.ts";
import { lazyFacade, type StreamsOf } from "./lazy-facade.ts";
import type { Leases } from "./leases.ts";
import type { MountManager } from "./mounts.ts";
import type { Namespaces } from "./namespaces.ts";
import { answerNear, type NearAnswers, type NearMethods } from "./near.ts";
import type { RunOptions } from "./run.ts";
import type { Sandboxes } from "./sandboxes.ts";
import { type CallSettings, signalOf } from "./settings.ts";
import type { RemoteSnapshotter } from "./snapshots.ts";
import type { Streams } from "./streams.ts";
import type { Task } from "./task.ts";
import type { Tasks } from "./tasks.ts";
import type { Transfer } from "./transfer.ts";

/** Which namespace and lease every call of a client names. */
export interface ClientOptions {
  /** containerd's namespace; `default` when left out. */
  readonly namespace?: string;
  /** A lease that keeps whatever the calls create. */
  readonly leaseId?: string;
  /** Snapshotter of calls that name none; `overlayfs` when left out. */
  readonly snapshotter?: string;
  /** Whether disposing the client closes the channel; false when the caller opened it for more than this client. */
  readonly ownsChannel?: boolean;
  /** What is answered in this process, in a namespace. */
  readonly near?: ((namespace: string) => NearAnswers) | undefined;
  /** Told of tasks that are about to be created; for an engine in this process. */
  readonly expectTask?: ((task: ExpectedTask) => void) | undefined;
}

/** A task that is about to be created. */
export interface ExpectedTask {
  readonly namespace: string;
  readonly id: string;
  /** Name of its container's runtime. */
  readonly runtime: string;
  /** Whether its container goes with it, so that there is garbage to collect at the end. */
  readonly isPassing: boolean;
}

/** What a client is when nothing else is said; containerd's own defaults. */
export const DEFAULT_NAMESPACE = "default";
export const DEFAULT_SNAPSHOTTER = "overlayfs";
export const DEFAULT_RUNTIME = "io.containerd.runc.v2";

/**
 * containerd, typed: one small facade per service over a channel. Opened by `connect`, or made over any channel;
 * disposing it closes the channel unless it is a view (`withNamespace`, `withLease`) or the channel is the caller's.
 */
export class Client implements AsyncDisposable {
  readonly channel: Channel;
  readonly namespace: string;
  readonly leaseId: string | undefined;
  /** Snapshotter of calls that name none. */
  readonly snapshotter: string;
  readonly #ownsChannel: boolean;
  readonly #near: ClientOptions["near"];
  readonly #answers: NearAnswers | undefined;
  readonly #expectTask: ClientOptions["expectTask"];
  readonly #made = new Map<unknown, unknown>();

  constructor(channel: Channel, options: ClientOptions = {}) {
    this.channel = channel;
    this.namespace = options.namespace ?? DEFAULT_NAMESPACE;
    this.leaseId = options.leaseId;
    this.snapshotter = options.snapshotter ?? DEFAULT_SNAPSHOTTER;
    this.#ownsChannel = options.ownsChannel ?? false;
    this.#near = options.near;
    this.#answers = options.near?.(this.namespace);
    this.#expectTask = options.expectTask;
  }

  /** The same connection in another namespace. Leases belong to a namespace, so the view has none. */
  withNamespace(namespace: string): Client {
    return new Client(this.channel, { namespace, snapshotter: this.snapshotter, ...this.#inProcess() });
  }

  /** The same connection with everything it creates kept by a lease. */
  withLease(leaseId: string): Client {
    const { namespace, snapshotter } = this;
    return new Client(this.channel, { namespace, leaseId, snapshotter, ...this.#inProcess() });
  }

  /**
   * Says that a task is about to be created for a container that is still to be made. An engine in this process gets
   * ready for it meanwhile; any other hears nothing of it.
   */
  expectTask(task: Omit<ExpectedTask, "namespace">): void {
    this.#expectTask?.({ ...task, namespace: this.namespace });
  }

  /** Typed calls of a service, whose code is loaded with the first one; give each call `callOptions()`. */
  service<S extends ServiceDefinition>(load: () => Promise<S>): Promise<ServiceClient<S>> {
    return this.#once(load, async () => (await import("./service-client.ts")).serviceClient(load, this.channel));
  }

  /** A container's record without a call; undefined where one has to be made. */
  async nearContainer(id: string, settings: CallSettings): Promise<containersV1.Container | undefined> {
    // What NearAnswers says of it.
    return (await answerNear(this.#answers, "container", [id, settings])) as containersV1.Container | undefined;
  }

  /** What a raw call needs: signal, deadline and the headers that name namespace and lease. */
  callOptions(settings: CallSettings = {}): CallOptions {
    const lease = this.leaseId === undefined ? {} : { [LEASE_HEADER]: this.leaseId };
    const metadata = { [NAMESPACE_HEADER]: this.namespace, ...lease };
    const timeout = settings.timeoutMs === undefined ? {} : { timeoutMs: settings.timeoutMs };
    return { signal: signalOf(settings), metadata, ...timeout };
  }

  get content(): RemoteContentStore {
    return this.#facade("content", async () => new (await import("./content.ts")).RemoteContentStore(this), {
      read: true,
      walk: true,
      summaries: true,
    });
  }

  get images(): Images {
    return this.#facade("images", async () => new (await import("./images.ts")).Images(this), { exportArchive: true });
  }

  /** One snapshotter; the client's own unless named. */
  snapshots(name = ""): RemoteSnapshotter {
    const facts = { name: name === "" ? this.snapshotter : name };
    const load = async () => new (await import("./snapshots.ts")).RemoteSnapshotter(this, facts.name);
    return lazyFacade(load, { walk: true, summaries: true }, facts, this.#answers?.snapshots?.(facts.name));
  }

  get differ(): RemoteDiffer {
    return this.#facade("differ", async () => new (await import("./differ.ts")).RemoteDiffer(this), {});
  }

  get containers(): Containers {
    return this.#facade("containers", async () => new (await import("./containers.ts")).Containers(this), {});
  }

  get tasks(): Tasks {
    return this.#facade("tasks", async () => new (await import("./tasks.ts")).Tasks(this), {});
  }

  get leases(): Leases {
    return this.#facade("leases", async () => new (await import("./leases.ts")).Leases(this), {});
  }

  get namespaces(): Namespaces {
    return this.#facade("namespaces", async () => new (await import("./namespaces.ts")).Namespaces(this), {});
  }

  get events(): Events {
    return this.#facade("events", async () => new (await import("./events.ts")).Events(this), { subscribe: true });
  }

  get introspection(): Introspection {
    return this.#facade("introspection", async () => new (await import("./introspection.ts")).Introspection(this), {});
  }

  /** containerd 2.2 and later. */
  get mounts(): MountManager {
    return this.#facade("mounts", async () => new (await import("./mounts.ts")).MountManager(this), { list: true });
  }

  /** containerd 1.7 and later. */
  get sandboxes(): Sandboxes {
    return this.#facade("sandboxes", async () => new (await import("./sandboxes.ts")).Sandboxes(this), {});
  }

  /** containerd 1.7 and later. */
  get transfer(): Transfer {
    return this.#facade("transfer", async () => new (await import("./transfer.ts")).Transfer(this), {
      exportArchive: true,
    });
  }

  /** containerd 1.7 and later. */
  get streams(): Streams {
    return this.#facade("streams", async () => new (await import("./streams.ts")).Streams(this), {});
  }

  /** The daemon's version and the commit it was built from. */
  async version(settings: CallSettings = {}): Promise<{ readonly version: string; readonly revision: string }> {
    return this.#answers?.version ?? (await import("./version.ts")).daemonVersion(this, settings);
  }

  /** Resolves when the daemon says that it serves; throws `unavailable` when it says that it does not. */
  async health(settings: CallSettings = {}): Promise<void> {
    const { checkHealth } = await import("./health.ts");
    return checkHealth(this, settings);
  }

  /** A container from an image and its task, started: `ctr run` as a function. */
  async run(options: RunOptions): Promise<Task> {
    const { runContainer } = await import("./run.ts");
    return runContainer(this, options);
  }

  /** Closes the channel when this client owns it. Disposing twice is harmless. */
  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#ownsChannel ? this.channel[Symbol.asyncDispose]() : Promise.resolve();
  }

  /** What a view has of an engine in this process. */
  #inProcess(): Pick<ClientOptions, "near" | "expectTask"> {
    return { near: this.#near, expectTask: this.#expectTask };
  }

  #facade<T extends object>(name: string, load: () => Promise<T>, streams: StreamsOf<T>): T {
    return this.#once(name, () => {
      // `name` is that of the getter that answers a T, and NearAnswers goes by the same names.
      const near = this.#answers?.[name as keyof NearAnswers] as NearMethods<T> | undefined;
      return lazyFacade(load, streams, {}, near);
    });
  }

  #once<T>(name: unknown, make: () => T): T {
    if (!this.#made.has(name)) this.#made.set(name, make());
    // Each name is used with one `make`, so what is stored under it has its type.
    return this.#made.get(name) as T;
  }
}
