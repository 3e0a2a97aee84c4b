import { onAbort } from "../abort-listener.ts";
import type { Channel } from "../channel.ts";
import { statusOf, statusOfAbort } from "../grpc-status.ts";
import type { CallOptions, MethodDefinition } from "../service.ts";
import { connectSocket, type SocketTarget } from "../socket.ts";
import { type ErrorFromStatus, type Status, StatusError } from "../status.ts";
import { TtrpcConnection, type TtrpcPeer } from "./connection.ts";
import { decodeResponse, encodeRequest, oversizeStatus } from "./envelope.ts";
import { MAX_TTRPC_BYTES, type TtrpcFrame, ttrpcFlag, ttrpcType } from "./frame.ts";

export type ConnectTtrpcOptions = SocketTarget & {
  /** Ends the attempt to connect; afterwards each call has its own signal. */
  readonly signal: AbortSignal;
  readonly connectTimeoutMs?: number;
  /** What failed calls throw; `StatusError` without it. */
  readonly errorFrom?: ErrorFromStatus;
};

/** A channel over ttrpc. It carries unary calls; `stream` fails with `unimplemented`. */
export interface TtrpcChannel extends Channel {
  /** Whether the connection is gone: calls under way then ended, and new ones end, with status `unavailable`. */
  readonly isClosed: boolean;
  /** Resolves once it is gone, whoever ended it. */
  readonly closed: Promise<void>;
}

/**
 * Connects to a ttrpc server. Fails with `ConnectError`. ttrpc cannot cancel: a call that is given up ends here, while
 * the peer goes on until its own deadline, which is sent along.
 */
export async function connectTtrpc(options: ConnectTtrpcOptions): Promise<TtrpcChannel> {
  let channel: ClientChannel | undefined;
  await connectSocket(
    options,
    (socket) => {
      const opened: ClientChannel = new ClientChannel(options, (peer) => new TtrpcConnection(socket, peer));
      channel = opened;
      return opened.connection;
    },
    options,
  );
  if (!channel) throw new Error("the socket opened without a connection");
  return channel;
}

interface PendingCall {
  /** Payloads of data frames; a peer may answer a unary call by a stream of one. */
  data: Uint8Array | undefined;
  settle(outcome: Uint8Array | Status): void;
}

/** Stream ids have 31 bits for each side. */
const LAST_STREAM_ID = 0x7fff_ffff;

class ClientChannel implements TtrpcChannel {
  readonly connection: TtrpcConnection;
  readonly closed: Promise<void>;
  readonly #errorFrom: ErrorFromStatus;
  readonly #calls = new Map<number, PendingCall>();
  #onClosed: () => void = () => {};
  #nextId = 1;

  constructor(options: ConnectTtrpcOptions, open: (peer: TtrpcPeer) => TtrpcConnection) {
    this.#errorFrom = options.errorFrom ?? ((status, path) => new StatusError(status, path));
    this.connection = open({
      frame: (frame) => this.#frame(frame),
      oversize: (streamId, length) => this.#oversize(streamId, length),
      closed: (why) => this.#lost(why),
    });
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
  }

  get isClosed(): boolean {
    return this.connection.closing !== undefined;
  }

  async unary<Req, Res>(
    path: string,
    method: MethodDefinition<Req, Res>,
    request: Req,
    options: CallOptions,
  ): Promise<Res> {
    const fail = (status: Status, cause?: unknown) => {
      const error = this.#errorFrom(status, path);
      if (cause !== undefined && error.cause === undefined) error.cause = cause;
      return error;
    };
    if (options.signal.aborted) throw fail(statusOfAbort(options.signal.reason), options.signal.reason);
    const bytes = this.#encode(path, method, request, options, fail);
    const outcome = await this.#call(bytes, options);
    if (!(outcome instanceof Uint8Array)) throw fail(outcome);
    try {
      return method.responseType.decode(outcome);
    } catch (error) {
      throw fail(statusOf("internal", `cannot decode a response of ${outcome.byteLength} bytes`), error);
    }
  }

  stream<_Req, Res>(path: string): AsyncIterable<Res> {
    const error = this.#errorFrom(statusOf("unimplemented", "streaming calls are not carried over ttrpc"), path);
    return {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
    };
  }

  #frame({ streamId, type, flags, payload }: TtrpcFrame): void {
    const call = this.#calls.get(streamId);
    // A response to a call that was given up comes late; nobody waits for it.
    if (!call) return;
    if (type === ttrpcType.response) call.settle(responseOf(payload, call.data));
    else if (type === ttrpcType.data) {
      if ((flags & ttrpcFlag.noData) === 0) call.data ??= payload;
      if ((flags & ttrpcFlag.remoteClosed) !== 0) call.settle(call.data ?? new Uint8Array(0));
    }
  }

  #oversize(streamId: number, length: number): void {
    this.#calls.get(streamId)?.settle(oversizeStatus(length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.destroy("the connection was closed");
  }

  #encode<Req, Res>(
    path: string,
    method: MethodDefinition<Req, Res>,
    request: Req,
    { metadata = {}, timeoutMs }: CallOptions,
    fail: (status: Status, cause?: unknown) => Error,
  ): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = encodeRequest(path, method.requestType.encode(request).finish(), timeoutMs, metadata);
    } catch (error) {
      throw fail(statusOf("invalid_argument", error instanceof Error ? error.message : String(error)), error);
    }
    if (bytes.byteLength > MAX_TTRPC_BYTES) throw fail(oversizeStatus(bytes.byteLength));
    return bytes;
  }

  #call(payload: Uint8Array, { signal, timeoutMs }: CallOptions): Promise<Uint8Array | Status> {
    const { closing } = this.connection;
    if (closing !== undefined) return Promise.resolve(statusOf("unavailable", closing));
    const streamId = this.#nextId;
    if (streamId > LAST_STREAM_ID) return Promise.resolve(statusOf("unavailable", "ttrpc: stream ids are used up"));
    this.#nextId += 2;
    return new Promise((resolve) => {
      const settle = (outcome: Uint8Array | Status) => {
        this.#calls.delete(streamId);
        clearTimeout(timer);
        release();
        resolve(outcome);
      };
      const release = onAbort(signal, () => settle(statusOfAbort(signal.reason)));
      const expire = () => settle(statusOf("deadline_exceeded", "context deadline exceeded"));
      const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
      this.#calls.set(streamId, { data: undefined, settle });
      this.connection.send({ streamId, type: ttrpcType.request, flags: 0, payload });
    });
  }

  #lost(why: string): void {
    for (const call of [...this.#calls.values()]) call.settle(statusOf("unavailable", why));
    this.#onClosed();
  }
}

function responseOf(payload: Uint8Array, data: Uint8Array | undefined): Uint8Array | Status {
  try {
    const response = decodeResponse(payload);
    return response instanceof Uint8Array && response.byteLength === 0 && data !== undefined ? data : response;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return statusOf("internal", `cannot decode a response of ${payload.byteLength} bytes: ${why}`);
  }
}
