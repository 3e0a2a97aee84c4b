import type { DeepPartial, MessageType } from "@ctr/rpc";
import { decodeAnyOf, encodeAnyOf, nameOf } from "./any-type.ts";
import type { Any } from "./gen/google/protobuf/any.ts";
import { decodeJsonAny, decodeValue, isJsonAny } from "./json-any.ts";
import * as wire from "./wire.ts";

/**
 * Every protobuf message that travels in an `Any`, by type URL: the bare full name, without `type.googleapis.com/`.
 * Engine reference: Any and type URLs.
 */
export interface MessagesByTypeUrl {
  "containerd.events.ContainerCreate": wire.containerEvents.ContainerCreate;
  "containerd.events.ContainerUpdate": wire.containerEvents.ContainerUpdate;
  "containerd.events.ContainerDelete": wire.containerEvents.ContainerDelete;
  "containerd.events.ContentCreate": wire.contentEvents.ContentCreate;
  "containerd.events.ContentDelete": wire.contentEvents.ContentDelete;
  // Image events keep the package they had before the events moved.
  "containerd.services.images.v1.ImageCreate": wire.imageEvents.ImageCreate;
  "containerd.services.images.v1.ImageUpdate": wire.imageEvents.ImageUpdate;
  "containerd.services.images.v1.ImageDelete": wire.imageEvents.ImageDelete;
  "containerd.events.NamespaceCreate": wire.namespaceEvents.NamespaceCreate;
  "containerd.events.NamespaceUpdate": wire.namespaceEvents.NamespaceUpdate;
  "containerd.events.NamespaceDelete": wire.namespaceEvents.NamespaceDelete;
  "containerd.events.SandboxCreate": wire.sandboxEvents.SandboxCreate;
  "containerd.events.SandboxStart": wire.sandboxEvents.SandboxStart;
  "containerd.events.SandboxExit": wire.sandboxEvents.SandboxExit;
  "containerd.events.SnapshotPrepare": wire.snapshotEvents.SnapshotPrepare;
  "containerd.events.SnapshotCommit": wire.snapshotEvents.SnapshotCommit;
  "containerd.events.SnapshotRemove": wire.snapshotEvents.SnapshotRemove;
  "containerd.events.TaskCreate": wire.taskEvents.TaskCreate;
  "containerd.events.TaskStart": wire.taskEvents.TaskStart;
  "containerd.events.TaskDelete": wire.taskEvents.TaskDelete;
  "containerd.events.TaskIO": wire.taskEvents.TaskIO;
  "containerd.events.TaskExit": wire.taskEvents.TaskExit;
  "containerd.events.TaskOOM": wire.taskEvents.TaskOOM;
  "containerd.events.TaskExecAdded": wire.taskEvents.TaskExecAdded;
  "containerd.events.TaskExecStarted": wire.taskEvents.TaskExecStarted;
  "containerd.events.TaskPaused": wire.taskEvents.TaskPaused;
  "containerd.events.TaskResumed": wire.taskEvents.TaskResumed;
  "containerd.events.TaskCheckpointed": wire.taskEvents.TaskCheckpointed;
  "containerd.runc.v1.Options": wire.runcOptions.Options;
  "containerd.runc.v1.CheckpointOptions": wire.runcOptions.CheckpointOptions;
  "containerd.runc.v1.ProcessDetails": wire.runcOptions.ProcessDetails;
  "containerd.linux.runc.RuncOptions": wire.linuxRunctypes.RuncOptions;
  "containerd.linux.runc.CreateOptions": wire.linuxRunctypes.CreateOptions;
  "containerd.linux.runc.CheckpointOptions": wire.linuxRunctypes.CheckpointOptions;
  "containerd.linux.runc.ProcessDetails": wire.linuxRunctypes.ProcessDetails;
  "runtimeoptions.v1.Options": wire.runtimeOptionsV1.Options;
  "io.containerd.cgroups.v1.Metrics": wire.cgroupsV1.Metrics;
  "io.containerd.cgroups.v2.Metrics": wire.cgroupsV2.Metrics;
  "containerd.types.RuntimeRequest": wire.introspectionTypes.RuntimeRequest;
  "containerd.types.RuntimeInfo": wire.introspectionTypes.RuntimeInfo;
  "containerd.types.transfer.OCIRegistry": wire.transferRegistry.OCIRegistry;
  "containerd.types.transfer.AuthRequest": wire.transferRegistry.AuthRequest;
  "containerd.types.transfer.AuthResponse": wire.transferRegistry.AuthResponse;
  "containerd.types.transfer.ImageStore": wire.transferImageStore.ImageStore;
  "containerd.types.transfer.ImageImportStream": wire.transferImportExport.ImageImportStream;
  "containerd.types.transfer.ImageExportStream": wire.transferImportExport.ImageExportStream;
  "containerd.types.transfer.Progress": wire.transferProgress.Progress;
  "containerd.types.transfer.Data": wire.transferStreaming.Data;
  "containerd.types.transfer.WindowUpdate": wire.transferStreaming.WindowUpdate;
  "containerd.services.streaming.v1.StreamInit": wire.streamingV1.StreamInit;
  "google.protobuf.Empty": wire.protobufEmpty.Empty;
  "google.rpc.Status": wire.rpcStatus.Status;
}

/** Type URLs whose value is protobuf. */
export type MessageTypeUrl = keyof MessagesByTypeUrl;

/** The message that a type URL stands for. */
export type MessageOf<U extends MessageTypeUrl> = MessagesByTypeUrl[U];

/** Codecs as thunks, so that listing them costs nothing. */
const codecs: { readonly [U in MessageTypeUrl]: () => MessageType<MessagesByTypeUrl[U]> } = {
  "containerd.events.ContainerCreate": () => wire.containerEvents.ContainerCreate,
  "containerd.events.ContainerUpdate": () => wire.containerEvents.ContainerUpdate,
  "containerd.events.ContainerDelete": () => wire.containerEvents.ContainerDelete,
  "containerd.events.ContentCreate": () => wire.contentEvents.ContentCreate,
  "containerd.events.ContentDelete": () => wire.contentEvents.ContentDelete,
  "containerd.services.images.v1.ImageCreate": () => wire.imageEvents.ImageCreate,
  "containerd.services.images.v1.ImageUpdate": () => wire.imageEvents.ImageUpdate,
  "containerd.services.images.v1.ImageDelete": () => wire.imageEvents.ImageDelete,
  "containerd.events.NamespaceCreate": () => wire.namespaceEvents.NamespaceCreate,
  "containerd.events.NamespaceUpdate": () => wire.namespaceEvents.NamespaceUpdate,
  "containerd.events.NamespaceDelete": () => wire.namespaceEvents.NamespaceDelete,
  "containerd.events.SandboxCreate": () => wire.sandboxEvents.SandboxCreate,
  "containerd.events.SandboxStart": () => wire.sandboxEvents.SandboxStart,
  "containerd.events.SandboxExit": () => wire.sandboxEvents.SandboxExit,
  "containerd.events.SnapshotPrepare": () => wire.snapshotEvents.SnapshotPrepare,
  "containerd.events.SnapshotCommit": () => wire.snapshotEvents.SnapshotCommit,
  "containerd.events.SnapshotRemove": () => wire.snapshotEvents.SnapshotRemove,
  "containerd.events.TaskCreate": () => wire.taskEvents.TaskCreate,
  "containerd.events.TaskStart": () => wire.taskEvents.TaskStart,
  "containerd.events.TaskDelete": () => wire.taskEvents.TaskDelete,
  "containerd.events.TaskIO": () => wire.taskEvents.TaskIO,
  "containerd.events.TaskExit": () => wire.taskEvents.TaskExit,
  "containerd.events.TaskOOM": () => wire.taskEvents.TaskOOM,
  "containerd.events.TaskExecAdded": () => wire.taskEvents.TaskExecAdded,
  "containerd.events.TaskExecStarted": () => wire.taskEvents.TaskExecStarted,
  "containerd.events.TaskPaused": () => wire.taskEvents.TaskPaused,
  "containerd.events.TaskResumed": () => wire.taskEvents.TaskResumed,
  "containerd.events.TaskCheckpointed": () => wire.taskEvents.TaskCheckpointed,
  "containerd.runc.v1.Options": () => wire.runcOptions.Options,
  "containerd.runc.v1.CheckpointOptions": () => wire.runcOptions.CheckpointOptions,
  "containerd.runc.v1.ProcessDetails": () => wire.runcOptions.ProcessDetails,
  "containerd.linux.runc.RuncOptions": () => wire.linuxRunctypes.RuncOptions,
  "containerd.linux.runc.CreateOptions": () => wire.linuxRunctypes.CreateOptions,
  "containerd.linux.runc.CheckpointOptions": () => wire.linuxRunctypes.CheckpointOptions,
  "containerd.linux.runc.ProcessDetails": () => wire.linuxRunctypes.ProcessDetails,
  "runtimeoptions.v1.Options": () => wire.runtimeOptionsV1.Options,
  "io.containerd.cgroups.v1.Metrics": () => wire.cgroupsV1.Metrics,
  "io.containerd.cgroups.v2.Metrics": () => wire.cgroupsV2.Metrics,
  "containerd.types.RuntimeRequest": () => wire.introspectionTypes.RuntimeRequest,
  "containerd.types.RuntimeInfo": () => wire.introspectionTypes.RuntimeInfo,
  "containerd.types.transfer.OCIRegistry": () => wire.transferRegistry.OCIRegistry,
  "containerd.types.transfer.AuthRequest": () => wire.transferRegistry.AuthRequest,
  "containerd.types.transfer.AuthResponse": () => wire.transferRegistry.AuthResponse,
  "containerd.types.transfer.ImageStore": () => wire.transferImageStore.ImageStore,
  "containerd.types.transfer.ImageImportStream": () => wire.transferImportExport.ImageImportStream,
  "containerd.types.transfer.ImageExportStream": () => wire.transferImportExport.ImageExportStream,
  "containerd.types.transfer.Progress": () => wire.transferProgress.Progress,
  "containerd.types.transfer.Data": () => wire.transferStreaming.Data,
  "containerd.types.transfer.WindowUpdate": () => wire.transferStreaming.WindowUpdate,
  "containerd.services.streaming.v1.StreamInit": () => wire.streamingV1.StreamInit,
  "google.protobuf.Empty": () => wire.protobufEmpty.Empty,
  "google.rpc.Status": () => wire.rpcStatus.Status,
};

/** A decoded `Any`: protobuf of a known type, or the JSON of a Go type that containerd registers by URL. */
export type DecodedAny =
  | { readonly [U in MessageTypeUrl]: { readonly kind: U; readonly value: MessageOf<U> } }[MessageTypeUrl]
  | { readonly kind: "json"; readonly typeUrl: string; readonly value: unknown };

/** `message` under `typeUrl`; fields left out take their defaults. */
export function encodeAny<U extends MessageTypeUrl>(typeUrl: U, message: DeepPartial<MessageOf<U>>): Any {
  return encodeAnyOf({ typeUrl, codec: codecs[typeUrl]() }, message);
}

/**
 * What is in `any`, or undefined when its type is not known here. Tolerates a prefix before the name, as containerd
 * does. Throws `invalid_argument` when the bytes are not what the URL says.
 */
export function decodeAny(any: Any): DecodedAny | undefined {
  const kind = messageTypeUrl(any.typeUrl);
  if (kind !== undefined) {
    // `kind` and `value` come from one row of the table; the union cannot say so for a key that is not one literal.
    return { kind, value: decodeValue(any, (bytes) => codecs[kind]().decode(bytes)) } as DecodedAny;
  }
  return isJsonAny(any) ? { kind: "json", typeUrl: any.typeUrl, value: decodeJsonAny(any) } : undefined;
}

/** The message in `any` when it is a `typeUrl`, else undefined. */
export function decodeAnyAs<U extends MessageTypeUrl>(any: Any | undefined, typeUrl: U): MessageOf<U> | undefined {
  return decodeAnyOf({ typeUrl, codec: codecs[typeUrl]() }, any);
}

function messageTypeUrl(typeUrl: string): MessageTypeUrl | undefined {
  const name = nameOf(typeUrl);
  // hasOwn has just proved that it is one of the keys.
  return Object.hasOwn(codecs, name) ? (name as MessageTypeUrl) : undefined;
}
