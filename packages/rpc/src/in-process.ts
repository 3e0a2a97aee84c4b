import { onAbort } from "./abort-listener.ts";
import type { Channel, Requests } from "./channel.ts";
import { statusOf, statusOfAbort, statusOfMessageError } from "./grpc-status.ts";
import { checkMessageSize, MessageError } from "./message-queue.ts";
import { metadataToFields } from "./metadata.ts";
import { describeMissing, type RegisteredService, type Route, routeTable } from "./route.ts";
import type { CallContext, CallOptions, MethodDefinition } from "./service.ts";
import { type ErrorFromStatus, type Status, StatusError, type StatusFromError } from "./status.ts";

export interface InProcessOptions {
  readonly services: readonly RegisteredService[];
  /** Turns whatever a service threw into a status. */
  readonly toStatus: StatusFromError;
  /** What failed calls throw; `StatusError` without it. */
  readonly errorFrom?: ErrorFromStatus;
  /**
   * Deep-freezes every message that passes, to catch whoever changes one after it was handed over; on under test
   * (NODE_ENV=test) unless set. Byte arrays cannot be frozen.
   */
  readonly freezeMessages?: boolean;
}

/**
 * A channel to services in this process. Messages are handed over as they are: no bytes are made, so neither side may
 * change one afterwards. Deadlines, cancellation, statuses and the message limit are those of a socket; for the limit
 * only byte fields count, which is what can make a message large.
 */
export function openInProcessChannel(options: InProcessOptions): Channel {
  return new InProcessChannel(options);
}

class InProcessChannel implements Channel {
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #options: InProcessOptions;
  readonly #freeze: boolean;
  readonly #closing = new AbortController();

  constructor(options: InProcessOptions) {
    this.#routes = routeTable(options.services);
    this.#options = options;
    this.#freeze = options.freezeMessages ?? process.env["NODE_ENV"] === "test";
  }

  async unary<Req, Res>(
    path: string,
    _method: MethodDefinition<Req, Res>,
    request: Req,
    options: CallOptions,
  ): Promise<Res> {
    using call = this.#begin(path, options);
    try {
      const { answer } = this.#route(path);
      if (answer.kind !== "unary") throw new StatusError(statusOf("internal", "not a unary method"), path);
      const response = await call.orEnd(answer.call(this.#pass(request), call));
      // The route at this path was registered with the definition that `method` is of.
      return this.#pass(response) as Res;
    } catch (error) {
      throw call.errorOf(error);
    }
  }

  async *stream<Req, Res>(
    path: string,
    _method: MethodDefinition<Req, Res>,
    requests: Requests<Req>,
    options: CallOptions,
  ): AsyncIterable<Res> {
    using call = this.#begin(path, options);
    try {
      const { answer } = this.#route(path);
      if (answer.kind !== "stream") throw new StatusError(statusOf("internal", "not a streaming method"), path);
      const responses = answer.call(this.#requests(requests, call), call)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await call.orEnd(responses.next());
          if (next.done) return;
          // As in unary().
          yield this.#pass(next.value) as Res;
        }
      } finally {
        call.cancel(new StatusError(statusOf("cancelled", "context canceled"), path));
        // Not awaited: a service may be slow to notice, and its client has left. What it throws now concerns nobody.
        responses.return?.().catch(() => {});
      }
    } catch (error) {
      throw call.errorOf(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new StatusError(statusOf("unavailable", "the channel was closed"), ""));
  }

  #begin(path: string, options: CallOptions): InProcessCall {
    const call = this.#newCall(path, options);
    try {
      // A socket would refuse it, so this does too.
      metadataToFields(call.metadata);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      call.cancel(new StatusError(statusOf("invalid_argument", message), path));
    }
    if (!call.signal.aborted) return call;
    call[Symbol.dispose]();
    throw call.errorOf(call.signal.reason);
  }

  #newCall(path: string, options: CallOptions): InProcessCall {
    return new InProcessCall(path, options, this.#closing.signal, this.#options);
  }

  #route(path: string): Route {
    const route = this.#routes.get(path);
    if (!route) throw new StatusError(statusOf("unimplemented", describeMissing(path, this.#routes)), path);
    return route;
  }

  async *#requests(requests: Requests<unknown>, call: InProcessCall): AsyncIterable<unknown> {
    if (!(Symbol.asyncIterator in requests)) {
      yield this.#pass(requests[0]);
      return;
    }
    const iterator = requests[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await call.orEnd(call.fromClient(iterator));
        if (next.done) return;
        yield this.#pass(next.value);
      }
    } finally {
      // As with responses: the other side may be slow, and this one has left.
      iterator.return?.().catch(() => {});
    }
  }

  #pass<T>(message: T): T {
    checkMessageSize(payloadBytes(message));
    return this.#freeze ? deepFreeze(message) : message;
  }
}

/** One call: what ends it early, and how either side learns of that. */
class InProcessCall implements CallContext, Disposable {
  readonly metadata: CallContext["metadata"];
  readonly #path: string;
  readonly #options: InProcessOptions;
  readonly #abort = new AbortController();
  readonly #release: () => void;
  /** Whoever waits for work of the other side, and must hear when the call is ended from outside. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  #clientError: { readonly error: unknown } | undefined;

  constructor(path: string, call: CallOptions, closing: AbortSignal, options: InProcessOptions) {
    this.#path = path;
    this.#options = options;
    this.metadata = call.metadata ?? {};
    this.#release = this.#watch(call, closing);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  cancel(reason: unknown): void {
    this.#abort.abort(reason);
    for (const reject of this.#waiting) reject(this.signal.reason);
    this.#waiting.clear();
  }

  /** `work`, unless the call is ended first. Nothing is kept once it settles: a stream may go on for days. */
  orEnd<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) reject(this.signal.reason);
      else this.#waiting.add(reject);
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  /** The client's next request; what its iterable throws goes back to the client as it is. */
  async fromClient<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> {
    try {
      return await iterator.next();
    } catch (error) {
      this.#clientError = { error };
      const cancelled = new StatusError(statusOf("cancelled", "context canceled"), this.#path);
      this.cancel(cancelled);
      throw cancelled;
    }
  }

  errorOf(thrown: unknown): unknown {
    if (this.#clientError) return this.#clientError.error;
    const { errorFrom = (status: Status) => new StatusError(status, this.#path) } = this.#options;
    const error = errorFrom(this.#statusOf(thrown), this.#path);
    if (this.signal.aborted && error.cause === undefined && thrown !== error) error.cause = thrown;
    return error;
  }

  [Symbol.dispose](): void {
    this.#release();
  }

  #statusOf(thrown: unknown): Status {
    if (thrown instanceof StatusError) return thrown;
    if (this.signal.aborted && thrown === this.signal.reason) return statusOfAbort(thrown);
    return thrown instanceof MessageError ? statusOfMessageError(thrown) : this.#options.toStatus(thrown);
  }

  #watch({ signal, timeoutMs }: CallOptions, closing: AbortSignal): () => void {
    const release = onAbort(signal, () => this.cancel(signal.reason));
    const releaseClosing = onAbort(closing, () => this.cancel(closing.reason));
    if (signal.aborted) this.cancel(signal.reason);
    if (closing.aborted) this.cancel(closing.reason);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => this.cancel(new DOMException("the call's deadline passed", "TimeoutError")), timeoutMs);
    return () => {
      clearTimeout(timer);
      release();
      releaseClosing();
    };
  }
}

/** Bytes in the byte fields of a message, all the way down. */
function payloadBytes(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value !== "object" || value === null) return 0;
  let bytes = 0;
  for (const part of value instanceof Map ? value.values() : Object.values(value)) bytes += payloadBytes(part);
  return bytes;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
