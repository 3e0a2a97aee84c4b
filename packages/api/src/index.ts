export { type AnyType, decodeAnyOf, encodeAnyOf } from "./any-type.ts";
export { ContainerdError, classWords, type ErrorCode, type ErrorParts, type ErrorWhere, hasCode } from "./error.ts";
export { LEASE_HEADER, LEASE_OWNER_HEADER, MAX_MESSAGE_BYTES, NAMESPACE_HEADER } from "./headers.ts";
export { decodeJsonAny, encodeJsonAny, isJsonAny, LINUX_RESOURCES_TYPE_URL } from "./json-any.ts";
export { RUNC_CHECKPOINT_OPTIONS, RUNC_OPTIONS } from "./runc-any.ts";
export { loadAnyCodecs, loadTransferRegistry, services } from "./services.ts";
export { errorFromStatus, toStatus } from "./status.ts";
export { openTaskClient, type TaskClient, type TaskClientOptions } from "./task-client.ts";
export {
  type DecodedAny,
  decodeAny,
  decodeAnyAs,
  encodeAny,
  type MessageOf,
  type MessagesByTypeUrl,
  type MessageTypeUrl,
} from "./typeurl.ts";
export * from "./wire.ts";
