import { services } from "@ctr/api";
import { type CallContext, registerService } from "@ctr/rpc";
import type { ServiceLoaders } from "./lazy-channel.ts";
import type { TaskManager } from "./runtime/task-manager.ts";
import { scopeOf } from "./scope.ts";
import type { IntrospectionOptions } from "./services/introspection.ts";
import type { Store } from "./store/store.ts";
import type { StreamTable } from "./transfer/streams.ts";

/** Every service over a store, by full name. Nothing is loaded here. */
export function serviceLoaders(store: Store, loadTasks: () => Promise<TaskManager>): ServiceLoaders {
  let streams: Promise<StreamTable> | undefined;
  const loadStreams = () => {
    streams ??= import("./transfer/streams.ts").then(({ StreamTable }) => new StreamTable());
    return streams;
  };
  return {
    "containerd.services.containers.v1.Containers": async () => {
      const { containersService } = await import("./services/containers.ts");
      return registerService(await services.containers(), containersService(store));
    },
    "containerd.services.content.v1.Content": async () => {
      const [{ contentService }, { EngineContent }] = await Promise.all([
        import("./services/content.ts"),
        import("./content/store.ts"),
      ]);
      const impl = contentService((context) => new EngineContent(store, scopeOf(context)));
      return registerService(await services.content(), impl);
    },
    "containerd.services.diff.v1.Diff": async () => {
      const [{ diffService }, { openDiffer }, { EngineContent }] = await Promise.all([
        import("./services/diff.ts"),
        import("./diff/differ.ts"),
        import("./content/store.ts"),
      ]);
      const differOf = (context: CallContext) => {
        const content = new EngineContent(store, scopeOf(context));
        return openDiffer({ content, pathOf: (digest) => content.pathOf(digest) });
      };
      return registerService(await services.diff(), diffService(differOf));
    },
    "containerd.services.events.v1.Events": async () => {
      const { eventsService } = await import("./services/events.ts");
      // Whoever follows events wants those of shims too, also when no other process is there to take them.
      const onSubscribe = async (signal: AbortSignal) => (await loadTasks()).reconcile({ signal });
      return registerService(await services.events(), eventsService(store, onSubscribe));
    },
    "containerd.services.images.v1.Images": async () => {
      const { imagesService } = await import("./services/images.ts");
      return registerService(await services.images(), imagesService(store));
    },
    "containerd.services.introspection.v1.Introspection": async () => {
      const { introspectionService } = await import("./services/introspection.ts");
      const runtimeInfo: IntrospectionOptions["runtimeInfo"] = async (request, call) =>
        (await import("./runtime/runtime-info.ts")).runtimeInfo(request, call);
      return registerService(await services.introspection(), introspectionService(store, { runtimeInfo }));
    },
    "containerd.services.leases.v1.Leases": async () => {
      const { leasesService } = await import("./services/leases.ts");
      return registerService(await services.leases(), leasesService(store));
    },
    "containerd.services.mounts.v1.Mounts": async () => {
      const [{ mountsService }, { Activations }] = await Promise.all([
        import("./services/mounts.ts"),
        import("./mounts/activations.ts"),
      ]);
      const impl = mountsService((context) => new Activations(store, scopeOf(context)));
      return registerService(await services.mounts(), impl);
    },
    "containerd.services.namespaces.v1.Namespaces": async () => {
      const { namespacesService } = await import("./services/namespaces.ts");
      return registerService(await services.namespaces(), namespacesService(store));
    },
    "containerd.services.sandbox.v1.Controller": async () => {
      const { sandboxControllerService } = await import("./services/sandbox-controller.ts");
      return registerService(
        await services.sandboxController(),
        sandboxControllerService(store, async () => (await loadTasks()).sandboxes()),
      );
    },
    "containerd.services.sandbox.v1.Store": async () => {
      const { sandboxStoreService } = await import("./services/sandboxes.ts");
      return registerService(await services.sandboxStore(), sandboxStoreService(store));
    },
    "containerd.services.snapshots.v1.Snapshots": async () => {
      const [{ snapshotsService }, { openSnapshotter }] = await Promise.all([
        import("./services/snapshots.ts"),
        import("./snapshots/snapshotters.ts"),
      ]);
      const impl = snapshotsService({ of: (context, name) => openSnapshotter(store, scopeOf(context), name) });
      return registerService(await services.snapshots(), impl);
    },
    "containerd.services.streaming.v1.Streaming": async () => {
      const { streamingService } = await import("./services/streaming.ts");
      return registerService(await services.streaming(), streamingService(await loadStreams()));
    },
    "containerd.services.tasks.v1.Tasks": async () => {
      const { tasksService } = await import("./services/tasks.ts");
      return registerService(await services.tasks(), tasksService(await loadTasks(), store));
    },
    "containerd.services.transfer.v1.Transfer": async () => {
      const { transferService } = await import("./services/transfer.ts");
      return registerService(await services.transfer(), transferService(store, await loadStreams()));
    },
    "containerd.services.version.v1.Version": async () => {
      const { versionService } = await import("./services/version.ts");
      return registerService(await services.version(), versionService());
    },
    "grpc.health.v1.Health": async () => {
      const { healthService } = await import("./services/health.ts");
      return registerService(await services.health(), healthService());
    },
  };
}
