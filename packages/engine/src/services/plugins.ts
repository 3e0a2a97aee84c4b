import { join } from "node:path";
import type { introspectionV1 } from "@ctr/api";
import { hostPlatform } from "@ctr/oci";
import type { DeepPartial } from "@ctr/rpc";
import { snapshotDrivers } from "../snapshots/drivers.ts";
import { proxyConfigs } from "../snapshots/proxy-config.ts";
import type { Store } from "../store/store.ts";

export type Plugin = DeepPartial<introspectionV1.Plugin> & { readonly type: string; readonly id: string };

const RESTART_POLICIES = ["no", "always", "on-failure", "unless-stopped"] as const;
const PREFIX = "io.containerd.";

/** Parts that only have a name, in the order in which containerd would bring them up. */
const plain: readonly (readonly [type: string, id: string, ...requires: readonly string[]])[] = [
  ["event.v1", "exchange"],
  ["metadata.v1", "bolt", "content.v1", "snapshotter.v1", "event.v1"],
  ["gc.v1", "scheduler", "metadata.v1"],
  ["differ.v1", "walking", "metadata.v1"],
  ["lease.v1", "manager", "metadata.v1"],
  ["streaming.v1", "manager", "metadata.v1"],
  ["transfer.v1", "local", "lease.v1", "metadata.v1", "differ.v1"],
  ["mount-handler.v1", "loop"],
  ["mount-manager.v1", "bolt", "mount-handler.v1"],
  ["sandbox.store.v1", "local", "metadata.v1"],
  ["sandbox.controller.v1", "shim", "runtime.v2", "event.v1", "sandbox.store.v1"],
  ["service.v1", "containers-service", "metadata.v1"],
  ["service.v1", "content-service", "metadata.v1"],
  ["service.v1", "diff-service", "differ.v1"],
  ["service.v1", "images-service", "metadata.v1", "gc.v1"],
  ["service.v1", "introspection-service"],
  ["service.v1", "namespaces-service", "metadata.v1"],
  ["service.v1", "snapshots-service", "metadata.v1"],
  ["service.v1", "tasks-service", "runtime.v2", "metadata.v1"],
  ["grpc.v1", "containers", "service.v1"],
  ["grpc.v1", "content", "service.v1"],
  ["grpc.v1", "diff", "service.v1"],
  ["grpc.v1", "events", "event.v1"],
  ["grpc.v1", "healthcheck", "service.v1"],
  ["grpc.v1", "images", "service.v1"],
  ["grpc.v1", "introspection", "service.v1"],
  ["grpc.v1", "leases", "lease.v1"],
  ["grpc.v1", "mounts", "mount-manager.v1"],
  ["grpc.v1", "namespaces", "service.v1"],
  ["grpc.v1", "sandbox-controllers", "sandbox.controller.v1", "event.v1"],
  ["grpc.v1", "sandboxes", "sandbox.store.v1"],
  ["grpc.v1", "snapshots", "service.v1"],
  ["grpc.v1", "streaming", "streaming.v1"],
  ["grpc.v1", "tasks", "service.v1"],
  ["grpc.v1", "transfer", "transfer.v1", "streaming.v1"],
  ["grpc.v1", "version", "service.v1"],
];

/**
 * What the engine is made of, in the names of containerd's plugins: clients look here for the snapshotters there are, and
 * for services that older daemons lack. Nothing is listed that is not here.
 */
export function listPlugins(store: Store): readonly Plugin[] {
  const platforms = [hostPlatform()];
  const snapshotters = snapshotDrivers(store).map(({ name, dir, capabilities }) => ({
    ...plugin("snapshotter.v1", name),
    platforms,
    exports: { root: join(dir, "..") },
    capabilities: [...capabilities],
  }));
  const proxies = proxyConfigs(store).map(({ name, address, exports, capabilities }) => ({
    ...plugin("snapshotter.v1", name),
    platforms,
    exports: { ...exports, address },
    capabilities: [...capabilities],
  }));
  return [
    { ...plugin("content.v1", "content"), exports: { root: join(store.root, "io.containerd.content.v1.content") } },
    ...snapshotters,
    ...proxies,
    { ...plugin("runtime.v2", "task", "metadata.v1", "event.v1"), platforms },
    // Clients that offer policies ask for these first; the monitor runs in `ctr serve`.
    { ...plugin("monitor.container.v1", "restart", "event.v1", "service.v1"), capabilities: [...RESTART_POLICIES] },
    ...plain.map(([type, id, ...requires]) => plugin(type, id, ...requires)),
  ];
}

function plugin(type: string, id: string, ...requires: readonly string[]): Plugin {
  return { type: PREFIX + type, id, requires: requires.map((name) => PREFIX + name) };
}
