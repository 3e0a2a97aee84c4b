import { join } from "node:path";
import type { Store } from "../store/store.ts";

/** Where the things of one task are. */
export interface TaskPaths {
  readonly namespace: string;
  readonly id: string;
  /** Id of the store. */
  readonly store: string;
  /** What the shim runs in; gone after the next boot. */
  readonly bundle: string;
  readonly rootfs: string;
  /** What lasts: CRIU's work directory, say. */
  readonly work: string;
}

export function taskPaths(store: Store, namespace: string, id: string): TaskPaths {
  const bundle = join(store.state, "bundles", namespace, id);
  return {
    namespace,
    id,
    store: store.id,
    bundle,
    rootfs: join(bundle, "rootfs"),
    work: join(store.root, "work", namespace, id),
  };
}

/** The runc root of a store. The shim's own default is shared with containerd: two engines would meet in it. */
export function runcRoot(store: Store): string {
  return join(store.state, "runc");
}

/** Where shims send events to: one path for the life of the store. */
export function eventsSocket(store: Store): string {
  return join(store.state, "events.sock");
}

/** Where shims that are started directly answer: short, for the limit on a socket's path. */
export function shimSocket(store: Store, namespace: string, id: string): string {
  const name = new Bun.CryptoHasher("sha256").update(`${namespace}/${id}`).digest("hex");
  return join(store.state, "s", name.slice(0, 32));
}

/** What shims are told is our address. It tells one store's shims from another's; nobody listens there. */
export function shimAddress(store: Store): string {
  return join(store.state, "engine.sock");
}

/** The name of a task's lock: it covers creating, deleting and cleaning up. */
export function taskLock(namespace: string, id: string): string {
  return `task-${namespace}:${id}`;
}
