import type { Channel, Requests } from "./channel.ts";
import { ClientCall, type ClientCallOptions, errorOf } from "./client-call.ts";
import { statusOf, statusOfAbort, statusOfMessageError } from "./grpc-status.ts";
import { H2Connection } from "./h2-connection.ts";
import { MessageError } from "./message-queue.ts";
import type { CallOptions, MethodDefinition } from "./service.ts";
import { connectSocket, formatTarget, type SocketTarget } from "./socket.ts";
import { DEFAULT_WATCHDOG_MS } from "./stall-watchdog.ts";
import { type ErrorFromStatus, StatusError } from "./status.ts";

export type ConnectH2cOptions = SocketTarget & {
  /** Ends the attempt to connect; afterwards each call has its own signal. */
  readonly signal: AbortSignal;
  /** For the connection, and again for the server's first word. */
  readonly connectTimeoutMs?: number;
  /** What failed calls throw; `StatusError` without it. */
  readonly errorFrom?: ErrorFromStatus;
  /** The `:authority` of requests. */
  readonly authority?: string;
  /** See `StallWatchdog`. */
  readonly watchdogMs?: number;
};

/**
 * Connects to a gRPC server over cleartext HTTP/2. Fails with `ConnectError`, which keeps the errno; once connected, a
 * lost connection fails every call, under way or new, with status `unavailable`.
 */
export async function connectH2c(options: ConnectH2cOptions): Promise<Channel> {
  let connection: H2Connection | undefined;
  const attach = (socket: ConstructorParameters<typeof H2Connection>[0]) => {
    connection = new H2Connection(socket, {
      role: "client",
      peer: formatTarget(options),
      watchdogMs: options.watchdogMs ?? DEFAULT_WATCHDOG_MS,
    });
    return connection;
  };
  await connectSocket(options, attach, options);
  if (!connection) throw new Error("the socket opened without a connection");
  endIfSilent(connection, options);
  return new H2Channel(connection, options);
}

/**
 * A hung server's socket still takes connections: the kernel does. The greeting (SETTINGS, RFC 9113 section 3.4) is what
 * has to come in time; calls do not wait for it.
 */
function endIfSilent(connection: H2Connection, options: ConnectH2cOptions): void {
  const { connectTimeoutMs } = options;
  if (connectTimeoutMs === undefined) return;
  const why = `${formatTarget(options)} took the connection, but has said nothing for ${connectTimeoutMs} ms: context deadline exceeded`;
  const timer = setTimeout(() => {
    if (!connection.heard) connection.destroy(why);
  }, connectTimeoutMs);
  timer.unref();
}

class H2Channel implements Channel {
  readonly #connection: H2Connection;
  readonly #errorFrom: ErrorFromStatus;
  readonly #authority: string;

  constructor(connection: H2Connection, options: ConnectH2cOptions) {
    this.#connection = connection;
    this.#errorFrom = options.errorFrom ?? ((status, path) => new StatusError(status, path));
    this.#authority = options.authority ?? "localhost";
  }

  async unary<Req, Res>(
    path: string,
    method: MethodDefinition<Req, Res>,
    request: Req,
    options: CallOptions,
  ): Promise<Res> {
    const call = this.#open(path, options);
    try {
      sendOnly(call, method, request);
      const response = await call.responses.take();
      const more = await call.responses.take();
      if (!response || more) throw this.#unaryMismatch(path, options, more !== undefined);
      return this.#decode(path, method, response, options);
    } catch (error) {
      throw this.#endWith(call, path, options, error);
    }
  }

  stream<Req, Res>(
    path: string,
    method: MethodDefinition<Req, Res>,
    requests: Requests<Req>,
    options: CallOptions,
  ): AsyncIterable<Res> {
    return {
      [Symbol.asyncIterator]: () => this.#responses(path, method, requests, options),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close("the connection was closed");
  }

  async *#responses<Req, Res>(
    path: string,
    method: MethodDefinition<Req, Res>,
    requests: Requests<Req>,
    options: CallOptions,
  ): AsyncGenerator<Res, void, undefined> {
    const call = this.#open(path, options);
    try {
      if (Symbol.asyncIterator in requests) void sendAll(call, method, requests);
      else sendOnly(call, method, requests[0]);
      for (;;) {
        const message = await call.responses.take();
        if (!message) return;
        yield this.#decode(path, method, message, options);
      }
    } catch (error) {
      throw this.#endWith(call, path, options, error);
    } finally {
      call.cancelWith(statusOf("cancelled", "context canceled"));
    }
  }

  #open(path: string, call: CallOptions): ClientCall {
    const options = this.#callOptions(path, call);
    if (call.signal.aborted) throw errorOf(options, statusOfAbort(call.signal.reason), call.signal.reason);
    const { closing } = this.#connection;
    if (closing !== undefined) throw errorOf(options, statusOf("unavailable", closing));
    try {
      return new ClientCall(this.#connection, options);
    } catch (error) {
      // Only the metadata, which is the caller's, can be at fault here.
      throw errorOf(options, statusOf("invalid_argument", messageOf(error)), error);
    }
  }

  #decode<Req, Res>(path: string, method: MethodDefinition<Req, Res>, bytes: Uint8Array, call: CallOptions): Res {
    try {
      return method.responseType.decode(bytes);
    } catch (error) {
      const status = statusOf("internal", `cannot decode a response of ${bytes.byteLength} bytes: ${messageOf(error)}`);
      throw errorOf(this.#callOptions(path, call), status, error);
    }
  }

  #callOptions(path: string, call: CallOptions): ClientCallOptions {
    return { path, call, authority: this.#authority, errorFrom: this.#errorFrom };
  }

  #unaryMismatch(path: string, call: CallOptions, many: boolean): Error {
    const why = many ? "more than one response to a unary call" : "no response to a unary call";
    return errorOf(this.#callOptions(path, call), statusOf("internal", why));
  }

  /** Ends a call that failed on this side, and translates the framing errors among the reasons. */
  #endWith(call: ClientCall, path: string, options: CallOptions, error: unknown): unknown {
    const translated =
      error instanceof MessageError
        ? errorOf(this.#callOptions(path, options), statusOfMessageError(error), error)
        : error;
    call.cancel(translated);
    return translated;
  }
}

/** Sends the only request of a call, which leaves in one write with the call's beginning and the requests' end. */
function sendOnly<Req, Res>(call: ClientCall, method: MethodDefinition<Req, Res>, request: Req): void {
  call.send(method.requestType.encode(request).finish());
  call.closeSend();
}

/** Pulls requests as fast as the peer takes them. What goes wrong here ends the call, and so reaches its reader. */
async function sendAll<Req, Res>(
  call: ClientCall,
  method: MethodDefinition<Req, Res>,
  requests: AsyncIterable<Req>,
): Promise<void> {
  try {
    for await (const request of requests) {
      if (call.ended) return;
      await call.send(method.requestType.encode(request).finish());
      if (call.ended) return;
    }
    call.closeSend();
  } catch (error) {
    call.cancel(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
