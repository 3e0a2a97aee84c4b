import { ContainerdError, hasCode, type mountTypes, type protobufAny, runtimeSandboxV1 } from "@ctr/api";
import { type CallOptions, createClient, type ServiceClient } from "@ctr/rpc";
import { failpoint } from "../failpoint.ts";
import { timestampOf } from "../store/clock.ts";
import {
  bundleExists,
  fillBundle,
  makeBundle,
  readShimAddress,
  removeBundle,
  removeDeadSocket,
  writeShimAddress,
} from "./bundle.ts";
import { publishSandboxExit, type SandboxExit } from "./sandbox-events.ts";
import { isMade, markMade, sandboxLock, sandboxPaths } from "./sandbox-paths.ts";
import type { ShimAddress } from "./shim-address.ts";
import { type ShimConnection, ShimGoneError } from "./shim-connection.ts";
import { startShim } from "./shim-start.ts";
import { killProcessesIn } from "./stray-processes.ts";
import { deleteByBinary, isShimGone, shutDown } from "./task-cleanup.ts";
import { shimCall, shimCommand, type TaskContext } from "./task-context.ts";
import { runcRoot, type TaskPaths } from "./task-paths.ts";
import { resolveRuntime } from "./task-runtime.ts";

export interface SandboxKey {
  readonly namespace: string;
  readonly id: string;
}

/** A sandbox to make. */
export interface NewSandbox extends SandboxKey {
  readonly runtime: string;
  readonly runtimeOptions: protobufAny.Any | undefined;
  readonly spec: protobufAny.Any | undefined;
  readonly rootfs: readonly mountTypes.Mount[];
  readonly options: protobufAny.Any | undefined;
  readonly netnsPath: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A shim's sandbox API. */
export type SandboxCalls = ServiceClient<typeof runtimeSandboxV1.SandboxDefinition>;

interface Cancel {
  readonly signal: AbortSignal;
}

/** How long undoing a failed creation may take. */
const UNDO_MS = 15_000;
/** What the exit of a sandbox counts as when nobody can tell. */
const UNKNOWN_EXIT = 255;

/**
 * The sandboxes of a store: each is a shim that has the sandbox API, found again by its bundle. As with tasks, what runs is
 * the shim's business and goes on without this.
 */
export class SandboxManager {
  readonly #context: TaskContext;

  constructor(context: TaskContext) {
    this.#context = context;
  }

  /**
   * Starts the shim and has it make the sandbox. `already_exists` while there is one of that id, `unimplemented` for a shim
   * without the sandbox API. What a failure leaves is removed.
   */
  async create(sandbox: NewSandbox, { signal }: Cancel): Promise<void> {
    const { store, searchPath } = this.#context;
    const { namespace, id } = sandbox;
    using _lock = await store.locks.of(sandboxLock(namespace, id), { signal });
    const paths = sandboxPaths(store, namespace, id);
    await this.#clearTheWay(paths, signal);
    const runtime = resolveRuntime(sandbox, {
      runtimePath: "",
      options: undefined,
      runcRoot: runcRoot(store),
      searchPath,
    });
    const spec = sandbox.spec ?? { typeUrl: "", value: new TextEncoder().encode("{}") };
    makeBundle(paths, runtime.binary);
    fillBundle(paths, { spec, runc: runtime.runc });
    failpoint("sandbox.bundle");
    try {
      await this.#context.events();
      const address = await startShim(shimCommand(this.#context, paths, runtime.binary, signal), runtime.options);
      failpoint("sandbox.shim");
      writeShimAddress(paths.bundle, address);
      const { rootfs, options, netnsPath, annotations } = sandbox;
      const request = { sandboxId: id, bundlePath: paths.bundle, rootfs: [...rootfs], options, netnsPath, annotations };
      await this.#callAt(paths, { signal }, (calls, call) => calls.createSandbox(request, call));
      failpoint("sandbox.created");
      markMade(paths);
    } catch (error) {
      await this.#undo(paths, AbortSignal.timeout(UNDO_MS));
      throw refused(runtime.binary, id, error);
    }
  }

  /** Passes a call on to the sandbox's shim. `not_found` when there is no such sandbox, or its shim turns out to be dead. */
  async call<T>(
    key: SandboxKey,
    options: Cancel,
    call: (calls: SandboxCalls, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const paths = sandboxPaths(this.#context.store, key.namespace, key.id);
    if (!isMade(paths)) throw notRunning(key.id);
    try {
      return await this.#callAt(paths, options, call);
    } catch (error) {
      const lost = error instanceof ShimGoneError || hasCode(error, "unavailable");
      if (!lost || (await this.#buryIfDead(paths, options.signal)) === undefined) throw error;
      throw notRunning(key.id);
    }
  }

  /** Where a sandbox's shim answers; undefined when it does not run. */
  address({ namespace, id }: SandboxKey): ShimAddress | undefined {
    const paths = sandboxPaths(this.#context.store, namespace, id);
    return isMade(paths) ? readShimAddress(paths.bundle) : undefined;
  }

  /** Waits until the sandbox has ended, however long that takes. One whose shim died has ended too. */
  async wait(key: SandboxKey, options: Cancel): Promise<SandboxExit> {
    const { store } = this.#context;
    const paths = sandboxPaths(store, key.namespace, key.id);
    if (!isMade(paths)) throw notRunning(key.id);
    for (;;) {
      try {
        const answer = await this.#callAt(paths, options, (calls, call) =>
          calls.waitSandbox({ sandboxId: key.id }, call),
        );
        const exit = { exitStatus: answer.exitStatus, exitedAt: answer.exitedAt ?? timestampOf(store.clock.now()) };
        publishSandboxExit(store, key, exit);
        return exit;
      } catch (error) {
        if (!(error instanceof ShimGoneError) && !hasCode(error, "unavailable")) throw error;
        const exit = await this.#buryIfDead(paths, options.signal);
        if (exit !== undefined) return exit;
        // Somebody else ended it meanwhile; or the shim lives, and is asked again.
        if (!isMade(paths)) throw notRunning(key.id);
      }
    }
  }

  /** Ends the sandbox and its shim; one that does not run has ended. */
  async shutdown({ namespace, id }: SandboxKey, { signal }: Cancel): Promise<void> {
    const { store } = this.#context;
    using _lock = await store.locks.of(sandboxLock(namespace, id), { signal });
    const paths = sandboxPaths(store, namespace, id);
    if (!bundleExists(paths)) return;
    if (isMade(paths) && !(await isShimGone(this.#context, paths, signal))) {
      try {
        await this.#callAt(paths, { signal }, (calls, call) => calls.shutdownSandbox({ sandboxId: id }, call));
      } catch (error) {
        // It may be gone before its answer is; and who has no such sandbox has shut it down.
        if (!hasCode(error, "unavailable", "not_found")) throw error;
      }
    }
    failpoint("sandbox.down");
    await this.#undo(paths, signal);
  }

  async #callAt<T>(
    paths: TaskPaths,
    { signal }: Cancel,
    call: (calls: SandboxCalls, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const shim: ShimConnection = await this.#context.shims.connect(paths, signal);
    return await call(
      createClient(runtimeSandboxV1.SandboxDefinition, shim.channel),
      shimCall(paths.namespace, signal),
    );
  }

  /** Whoever was making it no longer holds the lock. One whose shim died is buried. */
  async #clearTheWay(paths: TaskPaths, signal: AbortSignal): Promise<void> {
    if (!bundleExists(paths)) return;
    if (!isMade(paths)) await this.#undo(paths, signal);
    else if (await isShimGone(this.#context, paths, signal)) await this.#bury(paths, signal);
    else throw new ContainerdError({ code: "already_exists", what: `sandbox ${paths.id} is running` });
  }

  async #buryIfDead(paths: TaskPaths, signal: AbortSignal): Promise<SandboxExit | undefined> {
    using _lock = await this.#context.store.locks.of(sandboxLock(paths.namespace, paths.id), { signal });
    if (!isMade(paths) || !(await isShimGone(this.#context, paths, signal))) return undefined;
    return await this.#bury(paths, signal);
  }

  async #bury(paths: TaskPaths, signal: AbortSignal): Promise<SandboxExit> {
    const { store } = this.#context;
    const told = await deleteByBinary(this.#context, paths, signal);
    const exit = told ?? { exitStatus: UNKNOWN_EXIT, exitedAt: timestampOf(store.clock.now()) };
    publishSandboxExit(store, paths, exit);
    await this.#remove(paths);
    return exit;
  }

  /** Ends the shim, whatever it has, and removes what is around it. */
  async #undo(paths: TaskPaths, signal: AbortSignal): Promise<void> {
    await shutDown(this.#context, paths, signal);
    // Its address may never have been written down; one that other tasks still use stays for them.
    if (!this.#context.shims.isShared(paths)) await killProcessesIn(paths.bundle);
    await this.#remove(paths);
  }

  async #remove(paths: TaskPaths): Promise<void> {
    await this.#context.shims.drop(paths);
    if (!this.#context.shims.isShared(paths)) removeDeadSocket(paths.bundle);
    await removeBundle(paths);
  }
}

function notRunning(id: string): ContainerdError {
  return new ContainerdError({ code: "not_found", what: `sandbox ${JSON.stringify(id)} does not run` });
}

/** runc's shim of containerd 1.6 knows nothing of sandboxes, and says so by not knowing the service. */
function refused(shim: string, id: string, error: unknown): unknown {
  const what = `failed to create sandbox ${id}`;
  if (hasCode(error, "unimplemented")) {
    return new ContainerdError({
      code: "unimplemented",
      what,
      where: { shim },
      why: "the shim has no sandbox API",
      fix: "name a runtime whose shim has one, as Kata's, with --runtime; or run its containers one by one",
      cause: error,
    });
  }
  if (!(error instanceof ContainerdError)) return error;
  return new ContainerdError({ code: error.code, what, why: error.message, cause: error });
}
