import { ContainerdError, loadAnyCodecs, type protobufAny, services } from "@ctr/api";
import type { Client } from "./client.ts";
import { RequestQueue } from "./request-queue.ts";
import { type CallSettings, signalOf } from "./settings.ts";

/** Bytes a receiver lets a sender have under way. Engine reference: Streaming service. */
const WINDOW_BYTES = 64 * 1024;
/** Largest `Data` message. */
const DATA_BYTES = 32 * 1024;

/** A stream that the daemon's other services reach by its id. Disposing ends it. */
export interface DaemonStream extends AsyncDisposable {
  readonly id: string;
  send(message: protobufAny.Any): void;
  /** Messages from the daemon; ends when it lets go. May be read once. */
  readonly messages: AsyncIterable<protobufAny.Any>;
  /** Nothing more will be sent. */
  finish(): void;
}

/** Streams beside a call: progress, credentials, archives. containerd 1.7 and later; unverified against 2.x. */
export class Streams {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Opens a stream; its id is known to the daemon once this resolves. `prefix` only makes the id readable. */
  async open(prefix: string, settings: CallSettings = {}): Promise<DaemonStream> {
    const { randomId } = await import("./random-id.ts");
    const id = `${prefix}-${randomId()}`;
    const cancel = new AbortController();
    const requests = new RequestQueue<protobufAny.Any>();
    const signal = AbortSignal.any([signalOf(settings), cancel.signal]);
    const options = this.#client.callOptions({ ...settings, signal });
    const [{ encodeAny }, service] = await Promise.all([loadAnyCodecs(), this.#client.service(services.streaming)]);
    const answers = service.stream(requests, options);
    const responses = answers[Symbol.asyncIterator]();
    const end = () => {
      requests.end();
      cancel.abort();
    };
    requests.push(encodeAny("containerd.services.streaming.v1.StreamInit", { id }));
    await acknowledged(responses, id).catch((error: unknown) => {
      end();
      throw error;
    });
    return {
      id,
      send: (message) => requests.push(message),
      messages: messagesUntil(responses, cancel.signal),
      finish: () => requests.end(),
      [Symbol.asyncDispose]: async () => end(),
    };
  }
}

/** The daemon's first message says that it knows the id. */
async function acknowledged(responses: AsyncIterator<protobufAny.Any>, id: string): Promise<void> {
  const { done } = await responses.next();
  if (done !== true) return;
  throw new ContainerdError({
    code: "unavailable",
    what: "cannot open stream",
    where: { id },
    why: "it ended at once",
  });
}

/** Our own ending of the stream is an end, not an error. */
async function* messagesUntil(
  responses: AsyncIterator<protobufAny.Any>,
  ended: AbortSignal,
): AsyncIterable<protobufAny.Any> {
  try {
    for (;;) {
      const { done, value } = await responses.next();
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}

/**
 * Sends bytes as the daemon's window allows, then ends the sending side and waits until the daemon lets go. Returns
 * early when the daemon wants no more; the call beside the stream says why. Throws only what `chunks` throws, and then
 * without ending the stream: to the daemon an end would mean that it has everything, so dispose of the stream instead.
 */
export async function sendBytes(stream: DaemonStream, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const { encodeAny } = await loadAnyCodecs();
  const window = new SendWindow();
  const listening = listen(stream, window);
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.byteLength; ) {
      const length = await window.take(Math.min(DATA_BYTES, chunk.byteLength - start));
      if (length === 0) return;
      stream.send(encodeAny("containerd.types.transfer.Data", { data: chunk.slice(start, start + length) }));
      start += length;
    }
  }
  stream.finish();
  await listening;
}

/** Bytes from the daemon, at most a window ahead of the reader. */
export async function* receiveBytes(stream: DaemonStream): AsyncIterable<Uint8Array> {
  const { decodeAnyAs, encodeAny } = await loadAnyCodecs();
  let granted = 0;
  const grant = () => {
    if (granted >= WINDOW_BYTES) return;
    stream.send(encodeAny("containerd.types.transfer.WindowUpdate", { update: WINDOW_BYTES }));
    granted += WINDOW_BYTES;
  };
  grant();
  for await (const message of stream.messages) {
    const data = decodeAnyAs(message, "containerd.types.transfer.Data")?.data;
    if (data === undefined) continue;
    yield data;
    granted -= data.byteLength;
    grant();
  }
}

/** What may still be sent; closed when the daemon ends the stream. */
class SendWindow {
  #left = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  add(bytes: number): void {
    this.#left += bytes;
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Waits for room and takes up to `wanted` of it; 0 when the daemon wants no more. */
  async take(wanted: number): Promise<number> {
    while (this.#left === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#closed ? 0 : Math.min(wanted, this.#left);
    this.#left -= taken;
    return taken;
  }
}

/** Never throws: a stream that broke takes no more bytes, and the call beside it fails too. */
async function listen(stream: DaemonStream, window: SendWindow): Promise<void> {
  const { decodeAnyAs } = await loadAnyCodecs();
  try {
    for await (const message of stream.messages) {
      window.add(decodeAnyAs(message, "containerd.types.transfer.WindowUpdate")?.update ?? 0);
    }
  } catch {
    // See above.
  } finally {
    window.close();
  }
}
