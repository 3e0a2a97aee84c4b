export { ContainerdError, classWords, type ErrorCode, type ErrorParts, type ErrorWhere, hasCode } from "./error.ts";
export { LEASE_HEADER, MAX_MESSAGE_BYTES, NAMESPACE_HEADER } from "./headers.ts";
export { errorFromStatus, toStatus } from "./status.ts";
export {
  type DecodedAny,
  decodeAny,
  decodeAnyAs,
  decodeJsonAny,
  encodeAny,
  encodeJsonAny,
  isJsonAny,
  LINUX_RESOURCES_TYPE_URL,
  type MessageOf,
  type MessagesByTypeUrl,
  type MessageTypeUrl,
} from "./typeurl.ts";
export * from "./wire.ts";
