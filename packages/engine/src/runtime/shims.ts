import type { Store } from "../store/store.ts";
import { readShimAddress } from "./bundle.ts";
import { isMade, readSandboxOf, sandboxPaths } from "./sandbox-paths.ts";
import { connectShim, type ShimConnection, ShimGoneError } from "./shim-connection.ts";
import { type TaskPaths, taskPaths } from "./task-paths.ts";
import { listTasks } from "./task-rows.ts";

/**
 * Open connections to shims, one a task. What is kept is only ever the connection: one that was lost is made anew from
 * the address in the bundle, which may by then be another shim's.
 */
export class Shims implements AsyncDisposable {
  readonly #store: Store;
  readonly #open = new Map<string, Promise<ShimConnection>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The connection to a task's shim. `ShimGoneError` when there is none any more. */
  async connect(paths: TaskPaths, signal: AbortSignal): Promise<ShimConnection> {
    const key = paths.bundle;
    const known = await this.#open.get(key)?.catch(() => undefined);
    if (known && !known.isClosed) return known;
    const opening = openConnection(paths, signal);
    this.#open.set(key, opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#open.get(key) === opening) this.#open.delete(key);
      throw error;
    }
  }

  /** Keeps a connection that was made elsewhere. */
  adopt(paths: TaskPaths, connection: ShimConnection): void {
    this.#open.set(paths.bundle, Promise.resolve(connection));
  }

  /** Whether a connection to a task's shim is kept that is not known to be lost. */
  async isConnected(paths: TaskPaths): Promise<boolean> {
    const known = await this.#open.get(paths.bundle)?.catch(() => undefined);
    return known !== undefined && !known.isClosed;
  }

  /** Closes the connection to a task's shim, if there is one. */
  async drop(paths: TaskPaths): Promise<void> {
    const opening = this.#open.get(paths.bundle);
    this.#open.delete(paths.bundle);
    const connection = await opening?.catch(() => undefined);
    await connection?.[Symbol.asyncDispose]();
  }

  /** Whether the shim serves other tasks as well, or is a sandbox's: one that does must be left alone. */
  isShared(paths: TaskPaths): boolean {
    const address = readShimAddress(paths.bundle)?.address;
    if (address === undefined) return false;
    const sandbox = readSandboxOf(paths.bundle);
    if (sandbox !== undefined && isMade(sandboxPaths(this.#store, paths.namespace, sandbox))) return true;
    const others = this.#store.db.read((tx) => listTasks(tx, paths.namespace));
    return others.some((row) => {
      const { bundle } = taskPaths(this.#store, row.namespace, row.id);
      return bundle !== paths.bundle && readShimAddress(bundle)?.address === address;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const opening of open) await (await opening.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

async function openConnection(paths: TaskPaths, signal: AbortSignal): Promise<ShimConnection> {
  const address = readShimAddress(paths.bundle);
  if (address === undefined) throw new ShimGoneError(paths.bundle, undefined);
  return await connectShim(address, signal);
}
