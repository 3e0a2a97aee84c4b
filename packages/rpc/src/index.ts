export { type Channel, createClient } from "./channel.ts";
export type {
  CallContext,
  CallOptions,
  DeepPartial,
  MessageType,
  Metadata,
  MethodDefinition,
  ServiceClient,
  ServiceDefinition,
  ServiceImpl,
} from "./service.ts";
export {
  type ErrorFromStatus,
  type Status,
  StatusError,
  type StatusFromError,
  type StatusName,
  statusNames,
} from "./status.ts";
