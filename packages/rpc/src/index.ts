export { type Channel, createClient } from "./channel.ts";
export { type ConnectH2cOptions, connectH2c } from "./client.ts";
/** `connectH2c` for who seldom needs it: it brings HTTP/2 along. */
export const loadH2c = () => import("./client.ts");
export { createDeferred, type Deferred } from "./deferred.ts";
export { type InProcessOptions, openInProcessChannel } from "./in-process.ts";
export { type RegisteredService, registerService } from "./route.ts";
export { type H2cServer, type ServeH2cOptions, serveH2c } from "./server.ts";
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
export { ConnectError, type SocketTarget } from "./socket.ts";
export {
  type ErrorFromStatus,
  type Status,
  StatusError,
  type StatusFromError,
  type StatusName,
  statusNames,
} from "./status.ts";
export { type ConnectTtrpcOptions, connectTtrpc, type TtrpcChannel } from "./ttrpc/client.ts";
export { type ServeTtrpcOptions, serveTtrpc, type TtrpcServer } from "./ttrpc/server.ts";
