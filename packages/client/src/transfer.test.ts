import { expect, test } from "bun:test";
import {
  ContainerdError,
  decodeAnyAs,
  encodeAny,
  errorFromStatus,
  type protobufAny,
  streamingV1,
  toStatus,
  transferRegistry,
  transferV1,
} from "@ctr/api";
import { digestOf } from "@ctr/oci";
import { openInProcessChannel, registerService } from "@ctr/rpc";
import { Client } from "./client.ts";
import { RequestQueue } from "./request-queue.ts";
import { receiveBytes, sendBytes } from "./streams.ts";

/** The daemon's side of a stream, as the reference describes it: engine-behaviour, Streaming service. */
interface FarEnd {
  readonly incoming: AsyncIterator<protobufAny.Any>;
  readonly outgoing: RequestQueue<protobufAny.Any>;
}

type Handler = (request: transferV1.TransferRequest, stream: (id: string) => FarEnd) => Promise<void>;

/** A daemon that has nothing but streams and whatever `handle` makes of a transfer. */
function daemonWith(handle: Handler): Client {
  const streams = new Map<string, FarEnd>();
  const find = (id: string): FarEnd => {
    const found = streams.get(id);
    if (found === undefined) throw new ContainerdError({ code: "not_found", what: `stream ${id}` });
    return found;
  };
  const streaming = registerService(streamingV1.StreamingDefinition, {
    async *stream(requests) {
      const incoming = requests[Symbol.asyncIterator]();
      const first = await incoming.next();
      const init =
        first.done === true ? undefined : decodeAnyAs(first.value, "containerd.services.streaming.v1.StreamInit");
      const outgoing = new RequestQueue<protobufAny.Any>();
      streams.set(init?.id ?? "", { incoming, outgoing });
      yield encodeAny("google.protobuf.Empty", {});
      yield* outgoing;
    },
  });
  const transfer = registerService(transferV1.TransferDefinition, {
    async transfer(request) {
      await handle(request, find);
      return {};
    },
  });
  const channel = openInProcessChannel({ services: [streaming, transfer], toStatus, errorFrom: errorFromStatus });
  return new Client(channel, { ownsChannel: true });
}

async function nextOf(end: FarEnd): Promise<protobufAny.Any | undefined> {
  const { done, value } = await end.incoming.next();
  return done === true ? undefined : value;
}

test("pull() answers the daemon's question for credentials, and tells its progress", async () => {
  const asked: string[] = [];
  const target = { mediaType: "application/vnd.oci.image.index.v1+json", digest: digestOf(new Uint8Array()), size: 1n };
  await using client = daemonWith(async ({ source, destination, options }, stream) => {
    const registry = decodeAnyAs(source, "containerd.types.transfer.OCIRegistry");
    expect(registry).toMatchObject({ reference: "r.example/x:1", resolver: { hostDir: "/hosts" } });
    const store = decodeAnyAs(destination, "containerd.types.transfer.ImageStore");
    expect(store).toMatchObject({ name: "r.example/x:1", unpacks: [{ snapshotter: "native" }] });
    const auth = stream(registry?.resolver?.authStream ?? "");
    auth.outgoing.push(encodeAny("containerd.types.transfer.AuthRequest", { host: "r.example", reference: "x" }));
    const answer = await nextOf(auth);
    const { AuthType } = transferRegistry;
    expect(decodeAnyAs(answer, "containerd.types.transfer.AuthResponse")).toMatchObject({
      authType: AuthType.CREDENTIALS,
      username: "me",
      secret: "s",
    });
    const progress = stream(options?.progressStream ?? "");
    const { mediaType, digest, size } = target;
    progress.outgoing.push(
      encodeAny("containerd.types.transfer.Progress", {
        event: "saved",
        name: "r.example/x:1",
        desc: { mediaType, digest, size, annotations: {} },
      }),
    );
    progress.outgoing.end();
  });
  const events: unknown[] = [];
  await client.transfer.pull(
    {
      reference: "r.example/x:1",
      hostsDir: "/hosts",
      credentials: async ({ host }) => {
        asked.push(host);
        return { kind: "password", username: "me", secret: "s" };
      },
    },
    { name: "r.example/x:1", unpacks: [{ platform: { os: "linux", architecture: "amd64" }, snapshotter: "native" }] },
    { onProgress: (event) => void events.push(event) },
  );
  expect(asked).toEqual(["r.example"]);
  expect(events).toMatchObject([{ event: "saved", name: "r.example/x:1", descriptor: target }]);
});

test("a daemon that asks is answered also when there are no credentials", async () => {
  await using client = daemonWith(async ({ source }, stream) => {
    const auth = stream(decodeAnyAs(source, "containerd.types.transfer.OCIRegistry")?.resolver?.authStream ?? "");
    auth.outgoing.push(encodeAny("containerd.types.transfer.AuthRequest", { host: "r.example" }));
    const answer = decodeAnyAs(await nextOf(auth), "containerd.types.transfer.AuthResponse");
    expect(answer?.authType).toBe(transferRegistry.AuthType.NONE);
  });
  await client.transfer.pull({ reference: "r.example/x:1" }, { name: "r.example/x:1" });
});

test("a failure of the transfer is what the caller sees, and the streams end", async () => {
  await using client = daemonWith(async () => {
    throw new ContainerdError({ code: "not_found", what: "failed to resolve image" });
  });
  const failed = client.transfer.pull({ reference: "x/y:1" }, {}, { onProgress: () => undefined });
  await expect(failed).rejects.toMatchObject({ code: "not_found" });
});

test("importArchive() sends messages of at most 32 KiB and never more than the window", async () => {
  const archive = new Uint8Array(300_000).map((_byte, index) => index % 251);
  const got: Uint8Array[] = [];
  await using client = daemonWith(async ({ source }, stream) => {
    const far = stream(decodeAnyAs(source, "containerd.types.transfer.ImageImportStream")?.stream ?? "");
    let window = 0;
    const grant = (update: number) => {
      far.outgoing.push(encodeAny("containerd.types.transfer.WindowUpdate", { update }));
      window += update;
    };
    grant(65536);
    for (let any = await nextOf(far); any !== undefined; any = await nextOf(far)) {
      const data = decodeAnyAs(any, "containerd.types.transfer.Data")?.data ?? new Uint8Array();
      expect(data.byteLength).toBeLessThanOrEqual(32 * 1024);
      window -= data.byteLength;
      expect(window).toBeGreaterThanOrEqual(0);
      got.push(data.slice());
      if (window < 65536) grant(10_000);
    }
    far.outgoing.end();
  });
  await client.transfer.importArchive(chunked(archive, 70_000), { name: "x" });
  expect(digestOf(Buffer.concat(got))).toBe(digestOf(archive));
});

test("exportArchive() opens a window, widens it as it is read, and ends with the daemon's stream", async () => {
  const archive = new Uint8Array(200_000).map((_byte, index) => index % 241);
  await using client = daemonWith(async ({ destination }, stream) => {
    const far = stream(decodeAnyAs(destination, "containerd.types.transfer.ImageExportStream")?.stream ?? "");
    let window = 0;
    for (let start = 0; start < archive.byteLength; ) {
      while (window === 0) {
        window += decodeAnyAs(await nextOf(far), "containerd.types.transfer.WindowUpdate")?.update ?? 0;
      }
      const data = archive.slice(start, start + Math.min(window, 32 * 1024));
      far.outgoing.push(encodeAny("containerd.types.transfer.Data", { data }));
      start += data.byteLength;
      window -= data.byteLength;
    }
    far.outgoing.end();
  });
  const got: Uint8Array[] = [];
  for await (const chunk of client.transfer.exportArchive({ extraReferences: [{ name: "x" }] })) got.push(chunk);
  expect(digestOf(Buffer.concat(got))).toBe(digestOf(archive));
});

test("sendBytes() stops when the daemon wants no more, and receiveBytes() ignores what is no data", async () => {
  await using client = daemonWith(async () => undefined);
  await using stream = await client.streams.open("test");
  expect(stream.id).toMatch(/^test-\d+-[\w-]{4}$/);
  const far = { ...stream, messages: nothing() };
  await sendBytes(far, chunked(new Uint8Array(100), 10));
  const messages = list([
    encodeAny("google.protobuf.Empty", {}),
    encodeAny("containerd.types.transfer.Data", { data: new Uint8Array([7]) }),
  ]);
  const got: Uint8Array[] = [];
  for await (const chunk of receiveBytes({ ...stream, messages })) got.push(chunk);
  expect(got).toEqual([new Uint8Array([7])]);
});

async function* chunked(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += size) yield bytes.subarray(start, start + size);
}

async function* nothing(): AsyncIterable<protobufAny.Any> {}

async function* list(messages: readonly protobufAny.Any[]): AsyncIterable<protobufAny.Any> {
  yield* messages;
}
