import { onAbort } from "./abort-listener.ts";
import {
  fieldValue,
  statusFromFields,
  statusFromHttp,
  statusOf,
  statusOfAbort,
  statusOfFailure,
  statusOfMessageError,
} from "./grpc-status.ts";
import type { H2Connection } from "./h2-connection.ts";
import { H2StreamError, h2Code } from "./h2-error.ts";
import type { H2Stream, StreamEvents, StreamFailure } from "./h2-stream.ts";
import type { HeaderField } from "./hpack-table.ts";
import { checkMessageSize, MessageError, MessageQueue, messagePrefix } from "./message-queue.ts";
import { encodeRequest, GRPC } from "./request-headers.ts";
import type { CallOptions } from "./service.ts";
import type { ErrorFromStatus, Status } from "./status.ts";

export interface ClientCallOptions {
  readonly path: string;
  readonly authority: string;
  readonly call: CallOptions;
  readonly errorFrom: ErrorFromStatus;
}

/**
 * One call on a connection. It begins when it is made; its responses are taken from `responses`, which ends cleanly
 * after status `ok` and fails with `errorFrom` of any other. Listeners and timers are gone once it has ended.
 */
export class ClientCall implements StreamEvents {
  readonly responses: MessageQueue;
  readonly #options: ClientCallOptions;
  readonly #stream: H2Stream;
  #release: () => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #headersSeen = false;
  #ended = false;

  constructor(connection: H2Connection, options: ClientCallOptions) {
    this.#options = options;
    this.responses = new MessageQueue((bytes) => this.#stream.consumed(bytes));
    const { signal, timeoutMs } = options.call;
    this.#stream = connection.openStream(encodeRequest(options.path, options.authority, options.call), this);
    this.#release = onAbort(signal, () => this.cancelWith(statusOfAbort(signal.reason), signal.reason));
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#onDeadline(), timeoutMs);
  }

  /** True once the status is known; requests sent after that go nowhere. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Sends one message; wait for the promise, where there is one, before sending the next. */
  send(message: Uint8Array): Promise<void> | undefined {
    checkMessageSize(message.byteLength);
    this.#stream.write(messagePrefix(message.byteLength));
    this.#stream.write(message);
    return this.#stream.drained();
  }

  /** No more requests. */
  closeSend(): void {
    this.#stream.end();
  }

  /** Ends the call early; the peer is told by RST_STREAM CANCEL, whoever waits for a response gets `error`. */
  cancel(error: unknown): void {
    if (this.#ended) return;
    this.#settle();
    this.#stream.reset(h2Code.cancel);
    this.responses.abort(error);
  }

  /** Ends the call early with `status`. */
  cancelWith(status: Status, cause?: unknown): void {
    // Asked first, as making an error that nobody gets takes longer than all else of a call's end.
    if (!this.#ended) this.cancel(this.#error(status, cause));
  }

  headers(fields: readonly HeaderField[], endStream: boolean): void {
    if (endStream) {
      this.#finish(this.#statusOf(fields));
      return;
    }
    if (this.#headersSeen) throw new H2StreamError(this.#stream.id, h2Code.protocolError, "HEADERS between messages");
    const httpStatus = fieldValue(fields, ":status") ?? "";
    // RFC 9110 section 15.2: informational responses come before the real one and mean nothing here.
    if (httpStatus.startsWith("1")) return;
    this.#headersSeen = true;
    if (httpStatus !== "200") this.cancelWith(statusFromHttp(httpStatus));
    else if (!isGrpc(fields)) this.cancelWith(notGrpc(fields));
  }

  data(bytes: Uint8Array, endStream: boolean): void {
    if (!this.#headersSeen) throw new H2StreamError(this.#stream.id, h2Code.protocolError, "DATA before HEADERS");
    try {
      this.responses.push(bytes);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.cancelWith(statusOfMessageError(error), error);
    }
    if (endStream) this.#finish(statusOf("internal", "the response ended without a grpc-status"));
  }

  failed(failure: StreamFailure): void {
    if (this.#ended) return;
    this.#settle();
    this.responses.end(this.#error(statusOfFailure(failure)));
  }

  #statusOf(fields: readonly HeaderField[]): Status {
    const status = statusFromFields(fields);
    if (status) return status;
    const httpStatus = fieldValue(fields, ":status");
    if (httpStatus !== undefined && httpStatus !== "200") return statusFromHttp(httpStatus);
    if (httpStatus !== undefined && !isGrpc(fields)) return notGrpc(fields);
    return statusOf("internal", "the response ended without a grpc-status");
  }

  #finish(status: Status): void {
    if (this.#ended) return;
    this.#settle();
    // The peer has said all it will: nothing that we still send can matter.
    if (!this.#stream.localClosed) this.#stream.reset(h2Code.cancel);
    if (status.code === 0) this.responses.end();
    else this.responses.end(this.#error(status));
  }

  #settle(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#release();
  }

  #onDeadline(): void {
    this.cancelWith(statusOf("deadline_exceeded", "context deadline exceeded"));
  }

  #error(status: Status, cause?: unknown): Error {
    return errorOf(this.#options, status, cause);
  }
}

/** The error of a status as the channel's owner wants it, with what caused it here. */
export function errorOf(options: ClientCallOptions, status: Status, cause?: unknown): Error {
  const error = options.errorFrom(status, options.path);
  if (cause !== undefined && error.cause === undefined) error.cause = cause;
  return error;
}

/** `application/grpc`, also with a `+proto` or a parameter after it. */
export function isGrpc(fields: readonly HeaderField[]): boolean {
  const type = fieldValue(fields, "content-type") ?? "";
  return type === GRPC || type.startsWith(`${GRPC}+`) || type.startsWith(`${GRPC};`);
}

function notGrpc(fields: readonly HeaderField[]): Status {
  const type = fieldValue(fields, "content-type") ?? "none";
  return statusOf("unknown", `the peer answered with content-type ${type}, not application/grpc`);
}
