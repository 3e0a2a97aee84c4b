import { ClientCall } from "../client-call.ts";
import { CLIENT_PREFACE, frameType, readUint32 } from "../frame.ts";
import { FrameWriter } from "../frame-writer.ts";
import { H2Connection } from "../h2-connection.ts";
import { encodeHeaders } from "../hpack-encoder.ts";
import type { HeaderField } from "../hpack-table.ts";
import { messagePrefix } from "../message-queue.ts";
import { type RegisteredService, registerService, routeTable } from "../route.ts";
import { ServerCall } from "../server-call.ts";
import type { CallOptions } from "../service.ts";
import { StatusError } from "../status.ts";
import { EchoDefinition, echo, quiet, toTestStatus } from "./echo-service.ts";
import { FakeSocket } from "./fake-socket.ts";

/** A connection under test with its socket, whose other end the test plays frame by frame. */
export interface Fixture {
  readonly connection: H2Connection;
  readonly socket: FakeSocket;
  /** Delivers frames to the connection in one chunk. */
  receive(write: (frames: FrameWriter) => void): void;
}

export const REQUEST: readonly HeaderField[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/test.v1.Echo/One"],
  [":authority", "localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];
export const RESPONSE: readonly HeaderField[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
export const OK_TRAILERS: readonly HeaderField[] = [["grpc-status", "0"]];

/** A server that has read the client's preface and, unless told otherwise, its first SETTINGS. */
export function openServer(
  options: { readonly services?: RegisteredService[]; readonly bare?: boolean } = {},
): Fixture {
  const routes = routeTable(options.services ?? [registerService(EchoDefinition, echo)]);
  const socket = new FakeSocket(0);
  const connection: H2Connection = new H2Connection(socket, {
    role: "server",
    peer: "the client",
    watchdogMs: 60_000,
    accept: (stream) => new ServerCall(stream, { connection, routes, toStatus: toTestStatus }),
  });
  const fixture = fixtureOf(connection, socket);
  if (!options.bare) {
    connection.data(new TextEncoder().encode(CLIENT_PREFACE));
    fixture.receive((frames) => frames.settings([]));
  }
  return fixture;
}

/** A client that has, unless told otherwise, read the server's first SETTINGS. */
export function openClient(options: { readonly bare?: boolean; readonly watchdogMs?: number } = {}): Fixture {
  const socket = new FakeSocket(CLIENT_PREFACE.length);
  const connection = new H2Connection(socket, {
    role: "client",
    peer: "the server",
    watchdogMs: options.watchdogMs ?? 60_000,
  });
  const fixture = fixtureOf(connection, socket);
  if (!options.bare) fixture.receive((frames) => frames.settings([]));
  return fixture;
}

function fixtureOf(connection: H2Connection, socket: FakeSocket): Fixture {
  socket.events = connection;
  return {
    connection,
    socket,
    receive(write) {
      const frames = new FrameWriter(64);
      write(frames);
      connection.data(frames.written.slice());
    },
  };
}

/** Begins a call as a channel would. */
export function openCall(connection: H2Connection, call: CallOptions = quiet): ClientCall {
  return new ClientCall(connection, {
    path: "/test.v1.Echo/Chat",
    authority: "localhost",
    call,
    errorFrom: (status, path) => new StatusError(status, path),
  });
}

/** A frame of any kind, well-formed or not. */
export function rawFrame(
  frames: FrameWriter,
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array,
): void {
  frames.header(type, flags, streamId, payload.byteLength);
  frames.raw(payload);
}

/** HEADERS with `fields`. */
export function headersFrame(
  frames: FrameWriter,
  streamId: number,
  fields: readonly HeaderField[],
  endStream = false,
): void {
  frames.headers(streamId, encodeHeaders(fields), endStream, 16_384);
}

/** DATA with one whole gRPC message. */
export function messageFrame(frames: FrameWriter, streamId: number, message: Uint8Array, endStream = false): void {
  frames.header(frameType.data, endStream ? 1 : 0, streamId, 5 + message.byteLength);
  frames.raw(messagePrefix(message.byteLength));
  frames.raw(message);
}

/** Lets everything that is ready run: microtasks, and what they schedule. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The error code of the last GOAWAY that was sent. */
export function goawayCode({ socket }: Fixture): number | undefined {
  const last = socket.ofType(frameType.goaway).at(-1);
  return last && readUint32(last.payload, 4);
}

/** The error code of the RST_STREAM that was sent on a stream. */
export function resetCode({ socket }: Fixture, streamId: number): number | undefined {
  const reset = socket.ofType(frameType.rstStream).find((frame) => frame.streamId === streamId);
  return reset && readUint32(reset.payload, 0);
}
