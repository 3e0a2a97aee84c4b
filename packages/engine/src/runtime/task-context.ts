import { ContainerdError } from "@ctr/api";
import type { CallOptions } from "@ctr/rpc";
import type { ReadTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { readShimBinary } from "./bundle.ts";
import type { EventsEndpoint } from "./events-endpoint.ts";
import type { ShimCommand } from "./shim-process.ts";
import type { Shims } from "./shims.ts";
import type { EarlyTasks } from "./task-early.ts";
import { eventsSocket, shimAddress, shimSocket, type TaskPaths } from "./task-paths.ts";
import type { TaskContainer } from "./task-runtime.ts";

/** Reads what a task is made from; undefined, or `not_found`, where there is no such container. */
export type ContainerSource = (tx: ReadTx, namespace: string, id: string) => TaskContainer | undefined;

/** What everything that is done with tasks works on. */
export interface TaskContext {
  readonly store: Store;
  readonly containers: ContainerSource;
  readonly shims: Shims;
  readonly early: EarlyTasks;
  /** Where shims and runc are looked for. */
  readonly searchPath: readonly string[];
  /** Opens the endpoint that shims tell of events, at the first need. */
  events(): Promise<EventsEndpoint>;
  /** Takes work that nobody has to wait for but the end of the process, and that a collection does where it fails. */
  afterwards(work: Promise<void>): void;
}

/** How to call the shim binary of a task. */
export function shimCommand(context: TaskContext, paths: TaskPaths, binary: string, signal: AbortSignal): ShimCommand {
  const { store, searchPath } = context;
  const { namespace, id, bundle } = paths;
  return {
    ...{ binary, namespace, id, bundle, searchPath, signal },
    address: shimAddress(store),
    eventsSocket: eventsSocket(store),
    socket: shimSocket(store, namespace, id),
  };
}

/** The same for a task that was made before, by the binary its bundle remembers. */
export function rememberedCommand(
  context: TaskContext,
  paths: TaskPaths,
  signal: AbortSignal,
): ShimCommand | undefined {
  const binary = readShimBinary(paths.bundle);
  return binary === undefined ? undefined : shimCommand(context, paths, binary, signal);
}

/** Options of a call to a shim: ttrpc has its own name for the namespace. */
export function shimCall(namespace: string, signal: AbortSignal, timeoutMs?: number): CallOptions {
  const metadata = { "containerd-namespace-ttrpc": namespace };
  return timeoutMs === undefined ? { signal, metadata } : { signal, metadata, timeoutMs };
}

export function taskNotFound(id: string): ContainerdError {
  return new ContainerdError({ code: "not_found", what: `task ${id} not found` });
}
