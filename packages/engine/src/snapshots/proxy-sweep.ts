import { hasCode } from "@ctr/api";
import type { Cancel } from "@ctr/oci";
import { failpoint } from "../failpoint.ts";
import type { Store } from "../store/store.ts";
import { type ProxyConfig, proxyConfigs } from "./proxy-config.ts";
import { connectProxy, type ProxyDaemon } from "./proxy-daemon.ts";
import { type BackendRow, claimGarbage, forgetBackend, hasProxyGarbage, isShared } from "./proxy-rows.ts";

/**
 * Removes from other daemons what no row of a snapshot names any more. The caller is the only collector. A daemon that
 * is away, or is not configured any more, keeps what it has until a later collection: that fails nothing.
 */
export async function sweepProxies(store: Store, options: Cancel): Promise<void> {
  if (!store.db.read(hasProxyGarbage)) return;
  const garbage = store.db.write(claimGarbage);
  failpoint("gc.proxies");
  const configs = new Map(readConfigs(store).map((config) => [config.name, config]));
  for (const snapshotter of new Set(garbage.map((row) => row.snapshotter))) {
    const config = configs.get(snapshotter);
    if (config === undefined) continue;
    const rows = garbage.filter((row) => row.snapshotter === snapshotter);
    await sweepProxy(store, config, rows, options).catch((error: unknown) => {
      options.signal.throwIfAborted();
      // Away, hung or out of order: its rows stay, so a later collection asks again.
      if (!hasCode(error, "unavailable", "deadline_exceeded", "internal", "unknown", "cancelled")) throw error;
    });
  }
}

/** A file that cannot be read is told to whoever uses a snapshotter of it; a collection leaves what it knows nothing of. */
function readConfigs(store: Store): readonly ProxyConfig[] {
  try {
    return proxyConfigs(store);
  } catch {
    return [];
  }
}

async function sweepProxy(
  store: Store,
  config: ProxyConfig,
  garbage: readonly BackendRow[],
  options: Cancel,
): Promise<void> {
  await using daemon = await connectProxy(config, options);
  let removed = 0;
  // The youngest first: what still has children is asked for again as long as some of them go.
  for (let rows = garbage, left = -1; rows.length > 0 && rows.length !== left; ) {
    left = rows.length;
    const kept: BackendRow[] = [];
    for (const row of rows) {
      if (await removeRemote(store, { daemon, config }, row)) removed++;
      else kept.push(row);
    }
    rows = kept;
  }
  if (removed > 0) await cleanUp(daemon, config, garbage[0]?.namespace ?? "");
}

/** False while another snapshot stands on it. */
async function removeRemote(
  store: Store,
  { daemon, config }: { readonly daemon: ProxyDaemon; readonly config: ProxyConfig },
  row: BackendRow,
): Promise<boolean> {
  if (!store.db.read((tx) => isShared(tx, row))) {
    const request = { snapshotter: config.remoteName, key: row.backend };
    try {
      await daemon.calls.remove(request, daemon.options(row.namespace));
    } catch (error) {
      if (hasCode(error, "failed_precondition")) return false;
      // Never made, or removed by a collector that died before it could say so.
      if (!hasCode(error, "not_found")) throw error;
    }
    failpoint("gc.proxy-removed");
  }
  store.db.write((tx) => forgetBackend(tx, row));
  return true;
}

/** As containerd after it pruned: many snapshotters delete directories only now. */
async function cleanUp(daemon: ProxyDaemon, config: ProxyConfig, namespace: string): Promise<void> {
  try {
    await daemon.calls.cleanup({ snapshotter: config.remoteName }, daemon.options(namespace));
  } catch (error) {
    if (!hasCode(error, "unimplemented")) throw error;
  }
}
