import { toStatus } from "@ctr/api";
import { serveH2c } from "@ctr/rpc";
import type { Engine } from "./engine.ts";
import { scheduleCollection } from "./gc/schedule.ts";
import { monitorRestarts } from "./runtime/restart-monitor.ts";

export interface ServeOptions {
  /** Path of the socket. */
  readonly path: string;
  /** Permissions of the socket file; whoever may use it is root in effect. */
  readonly mode?: number;
  /** Aborting it ends the server at once, without waiting for calls. */
  readonly signal: AbortSignal;
  /** Milliseconds between two looks of the restart monitor; 10 s, as containerd, without it. */
  readonly restartIntervalMs?: number;
}

/**
 * Serves an engine to any gRPC client. Disposing it takes no more calls, waits a while for those under way, and leaves
 * containers running.
 */
export async function serveEngine(engine: Engine, options: ServeOptions): Promise<AsyncDisposable> {
  const services = await engine.services();
  await engine.reconcile(options);
  await using duties = new AsyncDisposableStack();
  duties.use(await scheduleCollection(engine.store));
  const { restartIntervalMs: intervalMs } = options;
  duties.use(await monitorRestarts(engine.channel, intervalMs === undefined ? {} : { intervalMs }));
  duties.use(await serveH2c({ mode: 0o660, ...options, services, toStatus }));
  return duties.move();
}
