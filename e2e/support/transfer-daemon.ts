import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ContainerdError,
  decodeAnyAs,
  encodeAny,
  introspectionV1,
  type MessageOf,
  type protobufAny,
  streamingV1,
  toStatus,
  transferV1,
} from "@ctr/api";
import { type RegisteredService, registerService, serveH2c } from "@ctr/rpc";

/** The daemon's end of a stream that a client opened. */
export interface StreamEnd {
  readonly id: string;
  send(message: protobufAny.Any): void;
  /** The next message of the client; undefined once it has ended its side. */
  next(): Promise<protobufAny.Any | undefined>;
  /** Ends the stream, as a daemon does when it wants no more. */
  end(): void;
  /** Whether the client has let go of it by cancelling. */
  readonly cancelled: Promise<void>;
}

export type TransferRequest = transferV1.TransferRequest;
export type OciRegistry = MessageOf<"containerd.types.transfer.OCIRegistry">;
export type ImageStore = MessageOf<"containerd.types.transfer.ImageStore">;

/** What one call of Transfer does: it may read and write the streams that the request names. */
export type TransferScript = (request: TransferRequest, streams: StreamsOf) => Promise<void>;
export interface StreamsOf {
  find(id: string): StreamEnd;
  /** Plays events on the request's progress stream, then ends it. */
  tell(request: TransferRequest, events: readonly ProgressEvent[]): void;
  readonly signal: AbortSignal;
}
export type ProgressEvent = Parameters<typeof encodeAny<"containerd.types.transfer.Progress">>[1];

/** A stand-in for a 2.x daemon: Introspection, Streaming and Transfer as the reference describes them. */
export interface TransferDaemon extends AsyncDisposable {
  readonly address: string;
  readonly dir: string;
  /** Wire paths of the calls, in the order they came. */
  readonly calls: readonly string[];
  readonly requests: readonly TransferRequest[];
  readonly streamIds: readonly string[];
}

export interface TransferDaemonOptions {
  readonly transfer: TransferScript;
  /** False for a daemon as 1.6 is: no such plugin, no such services. */
  readonly hasTransfer?: boolean;
  /** Further services. */
  readonly services?: readonly RegisteredService[];
}

export async function startTransferDaemon(options: TransferDaemonOptions): Promise<TransferDaemon> {
  const dir = await mkdtemp(join(tmpdir(), "ctr-transfer-"));
  const address = join(dir, "c.sock");
  const stopping = new AbortController();
  const record = { calls: [] as string[], requests: [] as TransferRequest[], streamIds: [] as string[] };
  const hasTransfer = options.hasTransfer ?? true;
  const services = [
    introspection(record.calls, hasTransfer),
    ...(hasTransfer ? transferServices(record, options.transfer) : []),
    ...(options.services ?? []),
  ];
  const server = await serveH2c({ path: address, services, toStatus, signal: stopping.signal, drainMs: 100 });
  return {
    address,
    dir,
    ...record,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      stopping.abort();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface Recorded {
  readonly calls: string[];
  readonly requests: TransferRequest[];
  readonly streamIds: string[];
}

function introspection(calls: string[], hasTransfer: boolean): RegisteredService {
  return registerService(introspectionV1.IntrospectionDefinition, {
    async plugins({ filters }) {
      calls.push(`Plugins ${filters.join(" ")}`);
      const known = hasTransfer ? ["io.containerd.transfer.v1", "io.containerd.mount-manager.v1"] : [];
      const asked = known.filter((type) => filters.includes(`type==${type}`));
      return { plugins: asked.map((type) => ({ type, id: "local" })) };
    },
    async server() {
      calls.push("Server");
      return { uuid: "test" };
    },
    async pluginInfo() {
      throw new ContainerdError({ code: "unimplemented", what: "plugin info" });
    },
  });
}

function transferServices(record: Recorded, script: TransferScript): readonly RegisteredService[] {
  const streams = new Map<string, StreamEnd>();
  const find = (id: string): StreamEnd => {
    const found = streams.get(id);
    if (found === undefined) throw new ContainerdError({ code: "not_found", what: `stream ${JSON.stringify(id)}` });
    return found;
  };
  const tell = (request: TransferRequest, events: readonly ProgressEvent[]) => {
    const stream = find(request.options?.progressStream ?? "");
    for (const event of events) stream.send(encodeAny("containerd.types.transfer.Progress", event));
    stream.end();
  };
  return [
    registerService(streamingV1.StreamingDefinition, {
      async *stream(requests, { signal }) {
        const incoming = requests[Symbol.asyncIterator]();
        const first = (await incoming.next()).value;
        const id = decodeAnyAs(first, "containerd.services.streaming.v1.StreamInit")?.id ?? "";
        const { end, outgoing } = openEnd(id, incoming, signal);
        streams.set(id, end);
        record.streamIds.push(id);
        record.calls.push("Stream");
        yield encodeAny("google.protobuf.Empty", {});
        yield* outgoing();
      },
    }),
    registerService(transferV1.TransferDefinition, {
      async transfer(request, { signal }) {
        record.calls.push("Transfer");
        record.requests.push(request);
        await script(request, { find, tell, signal });
        return {};
      },
    }),
  ];
}

function openEnd(id: string, incoming: AsyncIterator<protobufAny.Any>, signal: AbortSignal) {
  const waiting: protobufAny.Any[] = [];
  let ended = false;
  let wake = () => {};
  const end: StreamEnd = {
    id,
    send(message) {
      waiting.push(message);
      wake();
    },
    async next() {
      const { done, value } = await incoming.next();
      return done === true ? undefined : value;
    },
    end() {
      ended = true;
      wake();
    },
    cancelled: new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
  };
  async function* outgoing(): AsyncIterable<protobufAny.Any> {
    for (;;) {
      const message = waiting.shift();
      if (message !== undefined) yield message;
      else if (ended || signal.aborted) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
    }
  }
  return { end, outgoing };
}
