import type { Scope } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { findDriver, snapshotterNotLoaded } from "./drivers.ts";
import { proxyConfigs } from "./proxy-config.ts";
import { EngineSnapshotter } from "./store.ts";
import type { StoreSnapshotter } from "./store-snapshotter.ts";

/** The snapshotter of a name: one of the engine's own, or another daemon's. `invalid_argument` for one that is not there. */
export async function openSnapshotter(store: Store, scope: Scope, name: string): Promise<StoreSnapshotter> {
  const driver = findDriver(store, name);
  if (driver !== undefined) return new EngineSnapshotter(store, scope, driver);
  const config = proxyConfigs(store).find((candidate) => candidate.name === name);
  if (config === undefined) throw snapshotterNotLoaded(name);
  const { ProxySnapshotter } = await import("./proxy.ts");
  return new ProxySnapshotter(store, scope, config);
}

/** `invalid_argument` for a snapshotter that is not there. */
export function checkSnapshotter(store: Store, name: string): void {
  if (findDriver(store, name) !== undefined) return;
  if (!proxyConfigs(store).some((candidate) => candidate.name === name)) throw snapshotterNotLoaded(name);
}
