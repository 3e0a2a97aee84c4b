import { statusOf, statusOfAbort } from "../grpc-status.ts";
import type { Route } from "../route.ts";
import { type Status, StatusError, type StatusFromError } from "../status.ts";
import type { TtrpcConnection } from "./connection.ts";
import { decodeRequest, encodeAnswer, encodeFailure, oversizeStatus, type TtrpcRequest } from "./envelope.ts";
import { MAX_TTRPC_BYTES, type TtrpcFrame, ttrpcType } from "./frame.ts";

/** The calls of one client. */
export class TtrpcServerPeer {
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #toStatus: StatusFromError;
  readonly #calls = new Map<number, AbortController>();
  #lastId = 0;

  constructor(routes: ReadonlyMap<string, Route>, toStatus: StatusFromError) {
    this.#routes = routes;
    this.#toStatus = toStatus;
  }

  /** Takes a frame. What breaks the rules is answered on its own stream; the connection goes on. */
  frame(connection: TtrpcConnection, frame: TtrpcFrame): void {
    const refusal = this.#refusal(frame);
    if (refusal !== undefined) fail(connection, frame.streamId, statusOf("invalid_argument", refusal));
    // Data that belongs to a call under way is let pass: every method here takes the one message of its request.
    else if (frame.type === ttrpcType.request) void this.#answer(connection, frame);
  }

  oversize(connection: TtrpcConnection, streamId: number, length: number): void {
    fail(connection, streamId, oversizeStatus(length));
    if (streamId > this.#lastId) this.#lastId = streamId;
  }

  closed(why: string): void {
    for (const call of this.#calls.values()) call.abort(new StatusError(statusOf("cancelled", why), ""));
    this.#calls.clear();
  }

  #refusal({ streamId, type }: TtrpcFrame): string | undefined {
    if (streamId % 2 !== 1) return "StreamID must be odd for client initiated streams";
    if (type === ttrpcType.data) return this.#calls.has(streamId) ? undefined : "StreamID is no longer active";
    if (type !== ttrpcType.request) return `message type ${type} is not one a client sends`;
    if (streamId <= this.#lastId) return "StreamID cannot be re-used and must increment";
    this.#lastId = streamId;
    return undefined;
  }

  async #answer(connection: TtrpcConnection, { streamId, payload }: TtrpcFrame): Promise<void> {
    const abort = new AbortController();
    this.#calls.set(streamId, abort);
    try {
      const answer = await this.#run(payload, abort);
      if (answer.byteLength > MAX_TTRPC_BYTES) fail(connection, streamId, oversizeStatus(answer.byteLength));
      else connection.send({ streamId, type: ttrpcType.response, flags: 0, payload: answer });
    } catch (error) {
      fail(connection, streamId, error instanceof StatusError ? error : this.#toStatus(error));
    } finally {
      this.#calls.delete(streamId);
    }
  }

  async #run(payload: Uint8Array, abort: AbortController): Promise<Uint8Array> {
    const request = decodedRequest(payload);
    const route = this.#route(request);
    if (route.answer.kind !== "unary")
      throw new StatusError(statusOf("unimplemented", "a streaming method"), route.path);
    const message = route.method.requestType.decode(request.payload);
    const context = { signal: abort.signal, metadata: request.metadata };
    const response = await withDeadline(request.timeoutMs, abort, route.answer.call(message, context));
    return encodeAnswer(route.method.responseType.encode(response).finish());
  }

  #route({ service, method }: TtrpcRequest): Route {
    const path = `/${service}/${method}`;
    const route = this.#routes.get(path);
    if (route) return route;
    const known = [...this.#routes.keys()].some((key) => key.startsWith(`/${service}/`));
    throw new StatusError(statusOf("unimplemented", known ? `method ${method}` : `service ${service}`), path);
  }
}

/** What `work` gives, or the status of its end when the deadline or the loss of the connection comes first. */
function withDeadline<T>(timeoutMs: number | undefined, abort: AbortController, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = () => abort.abort(new DOMException("the call's deadline passed", "TimeoutError"));
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
    const onAbort = () => reject(new StatusError(statusOfAbort(abort.signal.reason), ""));
    abort.signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      abort.signal.removeEventListener("abort", onAbort);
    });
  });
}

function decodedRequest(payload: Uint8Array): TtrpcRequest {
  try {
    return decodeRequest(payload);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StatusError(statusOf("invalid_argument", `cannot decode the request: ${why}`), "");
  }
}

function fail(connection: TtrpcConnection, streamId: number, status: Status): void {
  connection.send({ streamId, type: ttrpcType.response, flags: 0, payload: encodeFailure(status) });
}
