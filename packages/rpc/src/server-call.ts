import { isGrpc } from "./client-call.ts";
import {
  fieldValue,
  statusOf,
  statusOfAbort,
  statusOfFailure,
  statusOfMessageError,
  statusToFields,
} from "./grpc-status.ts";
import { parseGrpcTimeout } from "./grpc-timeout.ts";
import type { H2Connection } from "./h2-connection.ts";
import { H2StreamError, h2Code } from "./h2-error.ts";
import type { H2Stream, StreamEvents, StreamFailure } from "./h2-stream.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import type { HeaderField } from "./hpack-table.ts";
import { checkMessageSize, MessageError, MessageQueue, messagePrefix } from "./message-queue.ts";
import { metadataFromFields } from "./metadata.ts";
import { describeMissing, type Route } from "./route.ts";
import type { CallContext, Metadata } from "./service.ts";
import { type Status, StatusError, type StatusFromError } from "./status.ts";

export interface ServerCallOptions {
  readonly connection: H2Connection;
  readonly routes: ReadonlyMap<string, Route>;
  readonly toStatus: StatusFromError;
}

const RESPONSE_FIELDS: readonly HeaderField[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const OK: Status = { code: 0, message: "", details: [] };

/** One call as the server sees it: routes the request, runs the service, and answers with messages and a status. */
export class ServerCall implements StreamEvents, CallContext {
  readonly #options: ServerCallOptions;
  readonly #stream: H2Stream;
  readonly #requests: MessageQueue;
  readonly #abort = new AbortController();
  #fields: readonly HeaderField[] | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #headersSent = false;
  #ended = false;

  constructor(stream: H2Stream, options: ServerCallOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#requests = new MessageQueue((bytes) => stream.consumed(bytes));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get metadata(): Metadata {
    return metadataFromFields(this.#fields ?? []);
  }

  headers(fields: readonly HeaderField[], endStream: boolean): void {
    if (this.#fields) {
      // Trailers of a request mean nothing in gRPC, but only they may follow its messages.
      if (!endStream) throw new H2StreamError(this.#stream.id, h2Code.protocolError, "HEADERS between messages");
    } else {
      this.#fields = fields;
      this.#begin(fields);
    }
    if (endStream) this.#requests.end();
  }

  data(bytes: Uint8Array, endStream: boolean): void {
    if (this.#ended) {
      this.#stream.consumed(bytes.byteLength);
      return;
    }
    try {
      this.#requests.push(bytes);
    } catch (error) {
      this.#fail(error);
    }
    if (endStream) this.#requests.end();
  }

  failed(failure: StreamFailure): void {
    if (this.#ended) return;
    this.#settle();
    const status = failure.kind === "protocol" ? statusOfFailure(failure) : statusOf("cancelled", "context canceled");
    this.#cancel(new StatusError(status, this.#path));
  }

  get #path(): string {
    return fieldValue(this.#fields ?? [], ":path") ?? "";
  }

  #begin(fields: readonly HeaderField[]): void {
    if (fieldValue(fields, ":method") !== "POST") this.#refuse("405");
    else if (!isGrpc(fields)) this.#refuse("415");
    else this.#beginCall(fields);
  }

  #beginCall(fields: readonly HeaderField[]): void {
    const encoding = fieldValue(fields, "grpc-encoding") ?? "identity";
    const route = this.#options.routes.get(this.#path);
    if (!route) this.#finish(statusOf("unimplemented", describeMissing(this.#path, this.#options.routes)));
    else if (encoding !== "identity") {
      this.#finish(statusOf("unimplemented", `grpc-encoding ${encoding} is not supported`));
    } else {
      const timeoutMs = parseGrpcTimeout(fieldValue(fields, "grpc-timeout") ?? "");
      if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#onDeadline(), timeoutMs);
      void this.#run(route);
    }
  }

  async #run(route: Route): Promise<void> {
    const { answer, method } = route;
    try {
      if (answer.kind === "unary") {
        const request = method.requestType.decode(await this.#onlyRequest());
        this.#send(method.responseType.encode(await answer.call(request, this)).finish());
      } else {
        for await (const response of answer.call(this.#decoded(route), this)) {
          if (this.#ended) return;
          await this.#send(method.responseType.encode(response).finish());
          if (this.#ended) return;
        }
      }
      this.#finish(OK);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #onlyRequest(): Promise<Uint8Array> {
    const request = await this.#requests.take();
    if (!request) throw new StatusError(statusOf("internal", "the call ended without a request"), this.#path);
    return request;
  }

  async *#decoded(route: Route): AsyncGenerator<unknown, void, undefined> {
    for (;;) {
      const message = await this.#requests.take();
      if (!message) return;
      yield route.method.requestType.decode(message);
    }
  }

  #send(message: Uint8Array): Promise<void> | undefined {
    if (this.#ended) return undefined;
    checkMessageSize(message.byteLength);
    if (!this.#headersSent) this.#options.connection.sendHeaders(this.#stream, encodeHeaders(RESPONSE_FIELDS), false);
    this.#headersSent = true;
    this.#stream.write(messagePrefix(message.byteLength));
    this.#stream.write(message);
    return this.#stream.drained();
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#finish(error instanceof MessageError ? statusOfMessageError(error) : this.#options.toStatus(error));
  }

  #finish(status: Status): void {
    if (this.#ended) return;
    this.#settle();
    const fields = statusToFields(status);
    if (this.#headersSent) this.#stream.end(encodeHeaders(fields));
    else this.#options.connection.sendHeaders(this.#stream, encodeHeaders([...RESPONSE_FIELDS, ...fields]), true);
    this.#requests.abort(new StatusError(statusOf("cancelled", "the call is over"), this.#path));
  }

  /** Answers what is not a gRPC call in HTTP's own terms. */
  #refuse(httpStatus: string): void {
    this.#settle();
    this.#options.connection.sendHeaders(this.#stream, encodeHeaders([[":status", httpStatus]]), true);
  }

  #onDeadline(): void {
    const reason = new DOMException("the call's deadline passed", "TimeoutError");
    const status = statusOfAbort(reason);
    this.#finish(status);
    this.#abort.abort(reason);
  }

  #cancel(reason: StatusError): void {
    this.#abort.abort(reason);
    this.#requests.abort(reason);
  }

  #settle(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}
