import type { Digest } from "@ctr/oci";
import type { Channel, RegisteredService } from "@ctr/rpc";
import { openLazyChannel } from "./lazy-channel.ts";
import { Reads } from "./reads.ts";
import type { ExpectedTask } from "./runtime/task-early.ts";
import type { TaskManager } from "./runtime/task-manager.ts";
import type { ServeOptions } from "./serve.ts";
import type { StoreRepair } from "./store/repair/repair.ts";
import { defaultRoot, type OpenStoreOptions, openStore, type Store } from "./store/store.ts";
import { ENGINE_VERSION } from "./version.ts";

export interface OpenEngineOptions extends OpenStoreOptions {
  /** Directory of the store; the default one of the user without it. */
  readonly root?: string;
}

/**
 * containerd's services over a local store, in this process. Opened by `openEngine`; disposing it first collects the
 * garbage it made, unless another process is collecting, and changes nothing else: containers go on.
 */
export interface Engine extends AsyncDisposable {
  readonly store: Store;
  readonly version: typeof ENGINE_VERSION;
  /** Lists without a call. */
  readonly reads: Reads;
  /** Calls in this process; services are loaded when they are first called. */
  readonly channel: Channel;
  /** Puts good bytes in the place of a damaged blob; `data_loss` when `chunks` are not the right ones. */
  replaceBlob(
    digest: Digest,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** Brings what is recorded of tasks in line with what runs, and from now on takes the events of shims. */
  reconcile(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Says that a task is about to be created: its shim starts meanwhile. No promise either way. */
  expectTask(task: ExpectedTask): void;
  /** The socket of a task's shim, by its bundle; undefined when there is no such task. */
  findShimSocket(namespace: string, id: string): Promise<string | undefined>;
  /** Serves it to any gRPC client. See `serveEngine`. */
  serve(options: ServeOptions): Promise<AsyncDisposable>;
  /** All services, for a server. */
  services(): Promise<readonly RegisteredService[]>;
}

/** Opens the engine of a store, and makes the store if it is not there. See `openStore` for its errors. */
export function openEngine(options: OpenEngineOptions = {}): Engine {
  const store = openStore(options.root ?? defaultRoot(), options);
  let tasks: TaskManager | undefined;
  const loadTasks = once(async () => {
    const [{ TaskManager }, { containerOfTask }] = await Promise.all([
      import("./runtime/task-manager.ts"),
      import("./container-of-task.ts"),
    ]);
    tasks = new TaskManager({ store, containers: containerOfTask });
    return tasks;
  });
  const loadServices = once(async () => (await import("./service-loaders.ts")).serviceLoaders(store, loadTasks));
  const channel = openLazyChannel(loadServices);
  let disposed = false;
  const engine: Engine = {
    store,
    version: ENGINE_VERSION,
    reads: new Reads(store),
    channel,
    async replaceBlob(digest, chunks, options) {
      const { replaceBlob } = await import("./content/replace.ts");
      await replaceBlob(store, digest, chunks, options);
    },
    reconcile: async (options) => (await loadTasks()).reconcile(options),
    // What goes wrong shows when the task is created.
    expectTask(task) {
      void loadTasks().then((tasks) => tasks.expect(task), ignore);
      // What ends with a collection has its code loaded when the shim is first waited for.
      if (task.isPassing)
        setImmediate(() => void import("./gc/collect.ts").then(({ warmUp }) => warmUp(store)).catch(ignore));
    },
    findShimSocket: async (namespace, id) =>
      (await import("./runtime/find-shim.ts")).findShimSocket(store, namespace, id),
    serve: async (options) => (await import("./serve.ts")).serveEngine(engine, options),
    services: async () => Promise.all(Object.values(await loadServices()).map((load) => load())),
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      try {
        await channel[Symbol.asyncDispose]();
        await tasks?.[Symbol.asyncDispose]();
        // Who changed nothing has made no garbage; what a killed command left waits for one that changes something.
        if (store.db.hasWritten) await collectGarbage(store);
        await store.db.settle();
      } finally {
        store[Symbol.dispose]();
      }
    },
  };
  return engine;
}

/** The repair of a store whose database is damaged; `openEngine` would refuse it. */
export async function loadStoreRepair(options: OpenEngineOptions = {}): Promise<StoreRepair> {
  const { openStoreRepair } = await import("./store/repair/repair.ts");
  return openStoreRepair(options.root ?? defaultRoot(), options);
}

/** The root an `embedded` address names: `embedded` alone means the default, `embedded:///some/root` says it. */
export function rootOfAddress(address: string): string {
  const path = address === "embedded" ? "" : address.slice("embedded://".length);
  if (path === "") return defaultRoot();
  // Only what needs it pays for loading node:path, or for compiling an expression.
  const isPlain = path.startsWith("/") && !path.endsWith("/") && !path.includes("/.") && !path.includes("//");
  return isPlain ? path : process.getBuiltinModule("node:path").join("/", path);
}

function ignore(): void {}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
}

async function collectGarbage(store: Store): Promise<void> {
  const { isDue } = await import("./gc/due.ts");
  if (!store.db.read((tx) => isDue(tx, store.clock.now()))) return;
  const { collectIfDirty } = await import("./gc/collect.ts");
  await collectIfDirty(store, { signal: new AbortController().signal });
}
