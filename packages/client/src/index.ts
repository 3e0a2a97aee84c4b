export {
  Client,
  type ClientOptions,
  DEFAULT_NAMESPACE,
  DEFAULT_RUNTIME,
  DEFAULT_SNAPSHOTTER,
} from "./client.ts";
export type { CniOptions, ContainerNetwork } from "./cni/cni.ts";
export { checkNetwork, networkExtensions } from "./cni/container-network.ts";
export { type ConnectSettings, connect, DEFAULT_ADDRESS } from "./connect.ts";
export { Container, type CreateTaskOptions, type DeleteContainerOptions } from "./container.ts";
export type { ContainerCheckpointSettings } from "./container-checkpoint.ts";
export type { RestoredContainer, RestoreSettings } from "./container-restore.ts";
export type { ContainerRecord, ContainerSummary, Containers, ContainerUpdate, NewContainer } from "./containers.ts";
export type { ContentSummary, RemoteBlobWriter, RemoteContentStore, RemoteWriterSettings } from "./content.ts";
export type { ApplySettings, CompareSettings, RemoteDiffer } from "./differ.ts";
export type { EventEnvelope, Events } from "./events.ts";
export { withGrace } from "./grace.ts";
export type { ArchiveExportSettings, ArchiveImportSettings } from "./image-archive.ts";
export type { FetchSettings, Pulled, PullOptions } from "./image-pull.ts";
export type { PushSettings } from "./image-push.ts";
export type { UnpackedImage, UnpackSettings } from "./image-unpack.ts";
export type {
  DeleteImageSettings,
  ImageSummary,
  Images,
  ImageUpdate,
  NewImage,
  PlatformSettings,
  SnapshotterSettings,
} from "./images.ts";
export type { DaemonInfo, Deprecation, Introspection, Plugin } from "./introspection.ts";
export type { HeldLease, Lease, LeaseDeletion, LeaseResource, LeaseSettings, Leases } from "./leases.ts";
export type { ActivateSettings, Activation, ActiveMount, MountManager } from "./mounts.ts";
export type { Namespace, Namespaces } from "./namespaces.ts";
export type { NearAnswers } from "./near.ts";
export type { ContainerProcess } from "./process.ts";
export {
  checkFifoDir,
  DEFAULT_FIFO_DIR,
  type IoChoice,
  openProcessIo,
  type ProcessInput,
  type ProcessIo,
} from "./process-io.ts";
export { randomId } from "./random-id.ts";
export type { CreateContainerOptions, RunOptions } from "./run.ts";
export type { NewSandbox, Sandboxes, SandboxRecord } from "./sandboxes.ts";
export type { CallSettings } from "./settings.ts";
export { type ConnectShimSettings, connectShim, Shim, type ShimName, shimSockets } from "./shim.ts";
export { parseSignal, STOP_SIGNAL_LABEL, signalName } from "./signals.ts";
export { prepareRemapped, type RemapOptions } from "./snapshot-remap.ts";
export type { RemoteSnapshotter, SnapshotSettings, SnapshotSummary } from "./snapshots.ts";
export { type MountedRootfs, openRootfsReader, openSpecHost } from "./spec-host.ts";
export type { DaemonStream, Streams } from "./streams.ts";
export type { ExecOptions, Task } from "./task.ts";
export type {
  ExecSettings,
  Exit,
  KillSettings,
  Metric,
  NewExec,
  NewTask,
  ProcessInfo,
  StdioPaths,
  TaskStatus,
  Tasks,
  WindowSize,
} from "./tasks.ts";
export type {
  ExportStreamOptions,
  HttpLog,
  ImportStreamOptions,
  RegistryCredentials,
  RegistrySource,
  StoreSide,
  Transfer,
  TransferProgress,
  TransferSettings,
} from "./transfer.ts";
