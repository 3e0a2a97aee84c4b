import { ContainerdError, contentV1, hasCode } from "@ctr/api";
import { type CommitOptions, type Digest, isDigest, parseDigest, type Timestamp } from "@ctr/oci";
import { createClient, type DeepPartial } from "@ctr/rpc";
import type { Client } from "./client.ts";
import type { RemoteBlobWriter, RemoteWriterSettings } from "./content.ts";
import { RequestQueue } from "./request-queue.ts";
import type { CallSettings } from "./settings.ts";
import { timestampFromWire } from "./wire.ts";

/** Largest `data` of one message: a sixteenth of what containerd takes, and what the Go client sends. */
const MESSAGE_BYTES = 1024 * 1024;

type Request = DeepPartial<contentV1.WriteContentRequest>;
type Response = contentV1.WriteContentResponse;
const { WriteAction } = contentV1;

/** Opens the Write stream of `ref` and learns where it stands. Content service, write protocol 1–4. */
export async function openRemoteWriter(
  client: Client,
  ref: string,
  settings: RemoteWriterSettings,
): Promise<RemoteBlobWriter> {
  const writer = new RemoteWriter(client, ref, settings);
  try {
    await writer.open();
    return writer;
  } catch (error) {
    await writer[Symbol.asyncDispose]();
    throw error;
  }
}

/** One Write stream. It holds the ref's lock until it ends; the ingest outlives it unless committed. */
class RemoteWriter implements RemoteBlobWriter {
  offset = 0n;
  digest: Digest | undefined;
  startedAt: Timestamp | undefined;
  readonly #ref: string;
  readonly #expected: Digest | undefined;
  readonly #total: bigint;
  readonly #requests = new RequestQueue<Request>();
  readonly #responses: AsyncIterator<Response>;
  readonly #cancel = new AbortController();
  readonly #outer: AbortSignal | undefined;
  /** Where the next message goes: `offset` once the store has answered all. */
  #sent = 0n;
  #ended = false;

  constructor(client: Client, ref: string, settings: RemoteWriterSettings) {
    this.#ref = ref;
    this.#expected = settings.expected;
    this.#total = settings.size ?? 0n;
    this.#outer = settings.signal;
    if (this.#outer?.aborted) this.#abort();
    this.#outer?.addEventListener("abort", this.#abort);
    const options = client.callOptions({ ...settings, signal: this.#cancel.signal });
    const stream = createClient(contentV1.ContentDefinition, client.channel).write(this.#requests, options);
    this.#responses = stream[Symbol.asyncIterator]();
  }

  async open(): Promise<void> {
    const { STAT: action } = WriteAction;
    const request = { action, ref: this.#ref, total: this.#total, expected: this.#expected ?? "" };
    const response = await this.#during({}, () => this.#exchange(request));
    this.#take(response);
    this.#sent = response.offset;
    this.startedAt = timestampFromWire(response.startedAt);
  }

  /**
   * Sends `chunk` in messages of at most 1 MiB and waits until the store has each. May be called again before: the daemon
   * gets one message while it hashes another.
   */
  async write(chunk: Uint8Array, settings: CallSettings = {}): Promise<void> {
    await this.#during(settings, async () => {
      const answers: Promise<void>[] = [];
      for (let start = 0; start < chunk.byteLength; start += MESSAGE_BYTES) {
        const data = chunk.subarray(start, start + MESSAGE_BYTES);
        answers.push(this.#exchange({ action: WriteAction.WRITE, offset: this.#sent, data }).then(this.#take));
        this.#sent += BigInt(data.byteLength);
      }
      await Promise.all(answers);
    });
  }

  /** The service can only cut back to nothing: a write at offset 0 does it, so an empty one is sent. */
  async truncate(offset: bigint, settings: CallSettings = {}): Promise<void> {
    if (offset === this.#sent) return;
    if (offset !== 0n) {
      const why = "the content service can only cut an ingest back to 0";
      throw new ContainerdError({
        code: "unimplemented",
        what: "cannot cut ingest",
        where: { ref: this.#ref, offset },
        why,
      });
    }
    this.#sent = 0n;
    this.#take(await this.#during(settings, () => this.#exchange({ action: WriteAction.WRITE, offset: 0n })));
  }

  async commit(commit: CommitOptions, settings: CallSettings = {}): Promise<Digest> {
    const request = {
      action: WriteAction.COMMIT,
      // A commit without the current offset empties the ingest first.
      offset: this.#sent,
      total: commit.size ?? this.#total,
      expected: commit.expected ?? this.#expected ?? "",
      labels: commit.labels ?? {},
    };
    const response = await this.#during(settings, () => this.#exchange(request));
    await this[Symbol.asyncDispose]();
    return parseDigest(response.digest);
  }

  /** Ends the stream and waits until the daemon has let go of the ref. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#requests.end();
    try {
      // containerd repeats its last answer before it ends the stream.
      while (!(await this.#responses.next()).done);
    } catch {
      // Whatever failed was already told by the exchange that met it; the stream is over either way.
    } finally {
      this.#outer?.removeEventListener("abort", this.#abort);
    }
  }

  readonly #abort = () => this.#cancel.abort(this.#outer?.reason);

  /** The stream ends with what fails in `work`, and when that is given up. */
  async #during<T>(settings: CallSettings, work: () => Promise<T>): Promise<T> {
    if (this.#ended) throw this.#error("failed_precondition", "the writer is closed");
    const stop = () => this.#cancel.abort(settings.signal?.reason);
    if (settings.signal?.aborted) stop();
    settings.signal?.addEventListener("abort", stop);
    try {
      return await work();
    } catch (error) {
      if (!hasCode(error, "already_exists")) this.#cancel.abort(error);
      throw error;
    } finally {
      settings.signal?.removeEventListener("abort", stop);
    }
  }

  /** Answers come in the order of the requests, and are asked for at once: who writes ahead gets his own. */
  async #exchange(request: Request): Promise<Response> {
    this.#requests.push(request);
    const { done, value } = await this.#responses.next();
    if (done) throw this.#error("unavailable", "the stream ended without an answer");
    return value;
  }

  readonly #take = (response: Response): void => {
    this.offset = response.offset;
    if (isDigest(response.digest)) this.digest = response.digest;
  };

  #error(code: "failed_precondition" | "unavailable", why: string): ContainerdError {
    return new ContainerdError({ code, what: "cannot write blob", where: { ref: this.#ref }, why });
  }
}
