/**
 * The services of containerd, each as a function that loads its definition with its messages. A short command uses one
 * or two of them, and all of them together take 2 ms to load, a third of what a command takes.
 */
export const services = {
  containers: async () => (await import("./gen/containerd/services/containers/v1/containers.ts")).ContainersDefinition,
  content: async () => (await import("./gen/containerd/services/content/v1/content.ts")).ContentDefinition,
  diff: async () => (await import("./gen/containerd/services/diff/v1/diff.ts")).DiffDefinition,
  events: async () => (await import("./gen/containerd/services/events/v1/events.ts")).EventsDefinition,
  health: async () => (await import("./gen/grpc/health/v1/health.ts")).HealthDefinition,
  images: async () => (await import("./gen/containerd/services/images/v1/images.ts")).ImagesDefinition,
  introspection: async () =>
    (await import("./gen/containerd/services/introspection/v1/introspection.ts")).IntrospectionDefinition,
  leases: async () => (await import("./gen/containerd/services/leases/v1/leases.ts")).LeasesDefinition,
  mounts: async () => (await import("./gen/containerd/services/mounts/v1/mounts.ts")).MountsDefinition,
  namespaces: async () => (await import("./gen/containerd/services/namespaces/v1/namespace.ts")).NamespacesDefinition,
  sandboxController: async () => (await import("./gen/containerd/services/sandbox/v1/sandbox.ts")).ControllerDefinition,
  sandboxStore: async () => (await import("./gen/containerd/services/sandbox/v1/sandbox.ts")).StoreDefinition,
  snapshots: async () => (await import("./gen/containerd/services/snapshots/v1/snapshots.ts")).SnapshotsDefinition,
  streaming: async () => (await import("./gen/containerd/services/streaming/v1/streaming.ts")).StreamingDefinition,
  tasks: async () => (await import("./gen/containerd/services/tasks/v1/tasks.ts")).TasksDefinition,
  transfer: async () => (await import("./gen/containerd/services/transfer/v1/transfer.ts")).TransferDefinition,
  version: async () => (await import("./gen/containerd/services/version/v1/version.ts")).VersionDefinition,
};

/** `encodeAny`, `decodeAny` and `decodeAnyAs` for who may never need them: they bring every message type along. */
export const loadAnyCodecs = () => import("./typeurl.ts");

/** The enums of a registry transfer, likewise. */
export const loadTransferRegistry = () => import("./gen/containerd/types/transfer/registry.ts");
