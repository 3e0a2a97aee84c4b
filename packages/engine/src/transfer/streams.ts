import { ContainerdError, decodeAnyAs, encodeAny, type protobufAny } from "@ctr/api";

type Any = protobufAny.Any;

/** The engine's end of a stream that a client opened for a call beside it. */
export interface StreamEnd {
  readonly id: string;
  /** Queues a message; nothing once the stream is over. Whoever sends much waits for the client's window. */
  send(message: Any): void;
  /** The client's next message; `undefined` once it has ended its side, or is gone. One reader at a time. */
  receive(): Promise<Any | undefined>;
  /** Whether the client let go of the stream before the engine did. */
  readonly cancelled: boolean;
  /** Ends the stream: the client sees its end once it has read what was sent. */
  end(): void;
}

/** The streams that clients hold open, by namespace and id; they end with their calls. Engine reference, section 18.1. */
export class StreamTable {
  readonly #streams = new Map<string, OpenStream>();

  /** `not_found` where no client of the namespace holds it open. */
  get(namespace: string, id: string): StreamEnd {
    const stream = this.#streams.get(keyOf(namespace, id));
    if (stream !== undefined) return stream;
    throw new ContainerdError({ code: "not_found", what: `stream ${JSON.stringify(id)}` });
  }

  /** Serves one call: the client names its stream, is told that the id is known, then both sides send until one ends. */
  async *serve(
    namespace: string,
    requests: AsyncIterable<Any>,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<Any, void, undefined> {
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    const id = first.done === true ? "" : decodeAnyAs(first.value, "containerd.services.streaming.v1.StreamInit")?.id;
    if (id === undefined || id === "") {
      throw new ContainerdError({ code: "invalid_argument", what: "a stream begins with a StreamInit that has an id" });
    }
    const key = keyOf(namespace, id);
    if (this.#streams.has(key)) {
      throw new ContainerdError({ code: "already_exists", what: `stream ${JSON.stringify(id)}` });
    }
    using stream = new OpenStream(id, incoming, options.signal);
    this.#streams.set(key, stream);
    try {
      yield encodeAny("google.protobuf.Empty", {});
      yield* stream.outgoing();
    } finally {
      this.#streams.delete(key);
    }
  }
}

function keyOf(namespace: string, id: string): string {
  return `${namespace}/${id}`;
}

class OpenStream implements StreamEnd, Disposable {
  readonly id: string;
  readonly #incoming: AsyncIterator<Any>;
  readonly #signal: AbortSignal;
  readonly #waiting: Any[] = [];
  readonly #gone = Promise.withResolvers<undefined>();
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(id: string, incoming: AsyncIterator<Any>, signal: AbortSignal) {
    this.id = id;
    this.#incoming = incoming;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  get cancelled(): boolean {
    return this.#signal.aborted && !this.#ended;
  }

  send(message: Any): void {
    if (this.#ended || this.#signal.aborted) return;
    this.#waiting.push(message);
    this.#wake?.();
  }

  async receive(): Promise<Any | undefined> {
    try {
      // A client that is gone may leave its requests hanging.
      const next = await Promise.race([this.#incoming.next(), this.#gone.promise]);
      return next === undefined || next.done === true ? undefined : next.value;
    } catch (error) {
      if (this.#signal.aborted) return undefined;
      throw error;
    }
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *outgoing(): AsyncGenerator<Any, void, undefined> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) yield message;
      else if (this.#ended || this.#signal.aborted) return;
      else await this.#more();
    }
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#gone.resolve(undefined);
    this.#waiting.length = 0;
  }

  readonly #onAbort = (): void => {
    this.#gone.resolve(undefined);
    this.#wake?.();
  };

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
