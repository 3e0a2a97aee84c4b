import { expect, test } from "bun:test";
import fc from "fast-check";
import { CLIENT_PREFACE, frameFlag, frameType } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { h2Code } from "./h2-error.ts";
import { encodeHeaders } from "./hpack-encoder.ts";
import type { HeaderField } from "./hpack-table.ts";
import { settingId } from "./settings.ts";
import {
  goawayCode,
  headersFrame,
  messageFrame,
  OK_TRAILERS,
  openCall,
  openClient,
  openServer,
  REQUEST,
  RESPONSE,
  rawFrame,
  resetCode,
  settle,
} from "./testing/fake-peer.ts";

type Write = (frames: FrameWriter) => void;

const four = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

test.each<[string, number, Write]>([
  ["DATA on stream 0", h2Code.protocolError, (f) => rawFrame(f, frameType.data, 0, 0, new Uint8Array(1))],
  ["HEADERS on stream 0", h2Code.protocolError, (f) => headersFrame(f, 0, REQUEST)],
  ["HEADERS on an even stream", h2Code.protocolError, (f) => headersFrame(f, 2, REQUEST)],
  ["DATA on an idle stream", h2Code.protocolError, (f) => rawFrame(f, frameType.data, 0, 7, new Uint8Array(1))],
  ["RST_STREAM on an idle stream", h2Code.protocolError, (f) => f.rstStream(7, 8)],
  ["WINDOW_UPDATE on an idle stream", h2Code.protocolError, (f) => f.windowUpdate(7, 1)],
  [
    "RST_STREAM of a wrong size",
    h2Code.frameSizeError,
    (f) => rawFrame(f, frameType.rstStream, 0, 1, new Uint8Array(3)),
  ],
  ["PRIORITY on stream 0", h2Code.protocolError, (f) => rawFrame(f, frameType.priority, 0, 0, new Uint8Array(5))],
  ["SETTINGS on a stream", h2Code.protocolError, (f) => rawFrame(f, frameType.settings, 0, 1, new Uint8Array(0))],
  ["SETTINGS of a wrong size", h2Code.frameSizeError, (f) => rawFrame(f, frameType.settings, 0, 0, new Uint8Array(5))],
  [
    "a SETTINGS acknowledgement with content",
    h2Code.frameSizeError,
    (f) => rawFrame(f, frameType.settings, frameFlag.ack, 0, new Uint8Array(6)),
  ],
  ["a window of 2^31", h2Code.flowControlError, (f) => f.settings([[settingId.initialWindowSize, 2 ** 31]])],
  ["a maximum frame size of 1", h2Code.protocolError, (f) => f.settings([[settingId.maxFrameSize, 1]])],
  ["ENABLE_PUSH of 2", h2Code.protocolError, (f) => f.settings([[settingId.enablePush, 2]])],
  ["PING of a wrong size", h2Code.frameSizeError, (f) => f.ping(new Uint8Array(7), false)],
  ["PING on a stream", h2Code.protocolError, (f) => rawFrame(f, frameType.ping, 0, 1, new Uint8Array(8))],
  ["GOAWAY on a stream", h2Code.protocolError, (f) => rawFrame(f, frameType.goaway, 0, 1, new Uint8Array(8))],
  ["GOAWAY of a wrong size", h2Code.frameSizeError, (f) => rawFrame(f, frameType.goaway, 0, 0, new Uint8Array(7))],
  ["PUSH_PROMISE", h2Code.protocolError, (f) => rawFrame(f, frameType.pushPromise, 4, 1, new Uint8Array(4))],
  ["WINDOW_UPDATE of 0 on the connection", h2Code.protocolError, (f) => f.windowUpdate(0, 0)],
  [
    "WINDOW_UPDATE of a wrong size",
    h2Code.frameSizeError,
    (f) => rawFrame(f, frameType.windowUpdate, 0, 0, four(1).subarray(1)),
  ],
  ["a connection window above 2^31-1", h2Code.flowControlError, (f) => f.windowUpdate(0, 0x7fff_ffff)],
  [
    "CONTINUATION without HEADERS",
    h2Code.protocolError,
    (f) => rawFrame(f, frameType.continuation, 4, 1, new Uint8Array(1)),
  ],
  [
    "a frame inside a header block",
    h2Code.protocolError,
    (f) => {
      rawFrame(f, frameType.headers, 0, 1, encodeHeaders(REQUEST));
      f.ping(new Uint8Array(8), false);
    },
  ],
  [
    "CONTINUATION of another stream",
    h2Code.protocolError,
    (f) => {
      rawFrame(f, frameType.headers, 0, 1, encodeHeaders(REQUEST));
      rawFrame(f, frameType.continuation, 4, 3, new Uint8Array(0));
    },
  ],
  [
    "a flood of empty CONTINUATION frames",
    h2Code.enhanceYourCalm,
    (f) => {
      rawFrame(f, frameType.headers, 0, 1, encodeHeaders(REQUEST));
      for (let i = 0; i < 200; i++) rawFrame(f, frameType.continuation, 0, 1, new Uint8Array(0));
    },
  ],
  [
    "a header block without end",
    h2Code.enhanceYourCalm,
    (f) => {
      rawFrame(f, frameType.headers, 0, 1, encodeHeaders(REQUEST));
      for (let i = 0; i < 20; i++) rawFrame(f, frameType.continuation, 0, 1, new Uint8Array(16_384));
    },
  ],
  [
    "a header block that is no HPACK",
    h2Code.compressionError,
    (f) => rawFrame(f, frameType.headers, 4, 1, Uint8Array.of(0x80)),
  ],
  [
    "padding longer than its frame",
    h2Code.protocolError,
    (f) => rawFrame(f, frameType.headers, 0xc, 1, Uint8Array.of(9, 0)),
  ],
  [
    "a padded frame without a pad length",
    h2Code.frameSizeError,
    (f) => rawFrame(f, frameType.headers, 0xc, 1, new Uint8Array(0)),
  ],
  ["a frame above 16 KiB", h2Code.frameSizeError, (f) => rawFrame(f, frameType.data, 0, 1, new Uint8Array(16_385))],
  [
    "more DATA than the window allows",
    h2Code.flowControlError,
    (f) => {
      headersFrame(f, 1, [...REQUEST.filter(([name]) => name !== ":path"), [":path", "/test.v1.Echo/Gather"]]);
      // A message of 16 MiB is under way; its service waits for it, but the frames come in one chunk.
      for (let i = 0; i < 1100; i++) rawFrame(f, frameType.data, 0, 1, new Uint8Array(16_384));
    },
  ],
])("H2Connection ends the connection on %s", async (_what, code, write) => {
  const server = openServer();
  server.receive(write);
  await settle();
  expect(goawayCode(server)).toBe(code);
  expect(server.socket.closed).toBe(true);
});

test.each<[string, string]>([
  ["HTTP/1.1", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["a preface with one wrong octet", CLIENT_PREFACE.replace("SM", "SN")],
])("a server ends the connection of a client that sends %s", async (_what, text) => {
  const server = openServer({ bare: true });
  server.connection.data(new TextEncoder().encode(text));
  await settle();
  expect(goawayCode(server)).toBe(h2Code.protocolError);
});

test("a server ends the connection when the first frame is not SETTINGS", async () => {
  const server = openServer({ bare: true });
  server.connection.data(new TextEncoder().encode(CLIENT_PREFACE));
  server.receive((frames) => frames.ping(new Uint8Array(8), false));
  await settle();
  expect(goawayCode(server)).toBe(h2Code.protocolError);
});

test("a client fails its calls when the peer does not speak HTTP/2", async () => {
  const client = openClient({ bare: true });
  const call = openCall(client.connection);
  client.connection.data(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await expect(call.responses.take()).rejects.toMatchObject({ code: 14 });
});

test.each<[string, number, Write]>([
  ["WINDOW_UPDATE of 0", h2Code.protocolError, (f) => f.windowUpdate(1, 0)],
  ["a stream window above 2^31-1", h2Code.flowControlError, (f) => f.windowUpdate(1, 0x7fff_ffff)],
  ["PRIORITY of a wrong size", h2Code.frameSizeError, (f) => rawFrame(f, frameType.priority, 0, 1, new Uint8Array(4))],
  ["DATA before HEADERS", h2Code.protocolError, (f) => messageFrame(f, 1, new Uint8Array(1))],
  [
    "HEADERS between messages",
    h2Code.protocolError,
    (f) => {
      headersFrame(f, 1, RESPONSE);
      headersFrame(f, 1, RESPONSE);
    },
  ],
  [
    "a header list above its limit",
    h2Code.enhanceYourCalm,
    (f) => {
      const long: HeaderField = ["x", "y".repeat(4000)];
      const indexed = Uint8Array.from([...encodeHeaders([long])]).with(0, 0x40);
      const block = new Uint8Array(indexed.byteLength + 200);
      block.set(indexed);
      block.fill(0xbe, indexed.byteLength);
      rawFrame(f, frameType.headers, 4, 1, block);
    },
  ],
])("H2Connection resets only the stream on %s", async (_what, code, write) => {
  const client = openClient();
  const call = openCall(client.connection);
  const other = openCall(client.connection);
  client.receive(write);
  await expect(call.responses.take()).rejects.toThrow();
  await settle();
  expect(resetCode(client, 1)).toBe(code);
  client.receive((frames) => headersFrame(frames, 3, [...RESPONSE, ...OK_TRAILERS], true));
  expect(await other.responses.take()).toBeUndefined();
});

test.each<[string, number, Write]>([
  ["a compressed message", 12, (f) => rawFrame(f, frameType.data, 0, 1, Uint8Array.of(1, 0, 0, 0, 0))],
  ["a message above 16 MiB", 8, (f) => rawFrame(f, frameType.data, 0, 1, Uint8Array.of(0, 1, 0, 0, 1))],
  [
    "a truncated message",
    13,
    (f) => {
      rawFrame(f, frameType.data, 0, 1, Uint8Array.of(0, 0, 0, 0, 9, 1, 2));
      headersFrame(f, 1, OK_TRAILERS, true);
    },
  ],
  ["missing trailers", 13, (f) => rawFrame(f, frameType.data, frameFlag.endStream, 1, new Uint8Array(0))],
  ["trailers without grpc-status", 13, (f) => headersFrame(f, 1, [["x", "y"]], true)],
  ["RST_STREAM NO_ERROR", 13, (f) => f.rstStream(1, h2Code.noError)],
  ["RST_STREAM CANCEL", 1, (f) => f.rstStream(1, h2Code.cancel)],
  ["RST_STREAM REFUSED_STREAM", 14, (f) => f.rstStream(1, h2Code.refusedStream)],
  ["RST_STREAM ENHANCE_YOUR_CALM", 8, (f) => f.rstStream(1, h2Code.enhanceYourCalm)],
  ["GOAWAY that leaves the call out", 14, (f) => f.goaway(0, h2Code.noError, "")],
])("a call answered by %s fails with code %i", async (what, code, write) => {
  const client = openClient();
  const call = openCall(client.connection);
  client.receive((frames) => headersFrame(frames, 1, RESPONSE));
  client.receive(write);
  const outcome = what === "a truncated message" ? call.responses.take() : drainCall(call);
  if (what === "a truncated message") await expect(outcome).rejects.toMatchObject({ reason: "truncated" });
  else await expect(outcome).rejects.toMatchObject({ code });
});

async function drainCall(call: ReturnType<typeof openCall>): Promise<void> {
  while (await call.responses.take());
}

test.each([
  ["400", 13],
  ["401", 16],
  ["403", 7],
  ["404", 12],
  ["429", 14],
  ["502", 14],
  ["503", 14],
  ["504", 14],
  ["500", 2],
])("a call answered by HTTP status %s and no grpc-status fails with code %i", async (httpStatus, code) => {
  for (const endStream of [true, false]) {
    const client = openClient();
    const call = openCall(client.connection);
    client.receive((frames) => headersFrame(frames, 1, [[":status", httpStatus]], endStream));
    await expect(call.responses.take()).rejects.toMatchObject({ code });
  }
});

test("a call answered with another content type fails and names it", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  client.receive((frames) =>
    headersFrame(frames, 1, [
      [":status", "200"],
      ["content-type", "text/html"],
    ]),
  );
  await expect(call.responses.take()).rejects.toThrow("text/html");
});

test.each<[string, Write, string]>([
  ["another method than POST", (f) => headersFrame(f, 1, [[":method", "GET"], ...REQUEST.slice(1)], true), "405"],
  ["another content type", (f) => headersFrame(f, 1, REQUEST.slice(0, 4), true), "415"],
])("a server answers %s with an HTTP status", async (_what, write, httpStatus) => {
  const server = openServer();
  server.receive(write);
  await settle();
  const [answer] = server.socket.ofType(frameType.headers);
  // Not in the static table as a whole: a literal with the name's index 8, a length of 3 and the digits.
  expect(answer?.payload).toEqual(encodeHeaders([[":status", httpStatus]]));
});

test.each<[string, Write]>([
  ["before its headers are answered", () => {}],
  ["between messages", (f) => headersFrame(f, 1, RESPONSE)],
  ["after its end", (f) => headersFrame(f, 1, [...RESPONSE, ...OK_TRAILERS], true)],
])("RST_STREAM %s leaves the connection usable", async (_when, write) => {
  const client = openClient();
  openCall(client.connection)
    .responses.take()
    .catch(() => {});
  client.receive(write);
  client.receive((frames) => frames.rstStream(1, h2Code.cancel));
  client.receive((frames) => frames.rstStream(1, h2Code.cancel));
  client.receive((frames) => frames.windowUpdate(1, 10));
  const next = openCall(client.connection);
  client.receive((frames) => headersFrame(frames, 3, [...RESPONSE, ...OK_TRAILERS], true));
  expect(await next.responses.take()).toBeUndefined();
  expect(goawayCode(client)).toBeUndefined();
});

test("a server gives back the connection's window for DATA of a stream that is over", async () => {
  const server = openServer();
  server.receive((frames) => {
    headersFrame(frames, 1, REQUEST);
    frames.rstStream(1, h2Code.cancel);
  });
  for (let i = 0; i < 1200; i++) server.receive((f) => rawFrame(f, frameType.data, 0, 1, new Uint8Array(16_384)));
  await settle();
  expect(goawayCode(server)).toBeUndefined();
  expect(server.socket.ofType(frameType.windowUpdate).some((frame) => frame.streamId === 0)).toBe(true);
});

test("a peer that floods with PINGs and reads nothing is cut off", async () => {
  const server = openServer();
  await settle();
  server.socket.held = true;
  for (let i = 0; i < 200_000 && !server.socket.closed; i++) {
    server.receive((frames) => frames.ping(new Uint8Array(8), false));
    if (i % 1000 === 0) await settle();
  }
  expect(server.socket.closed).toBe(true);
});

/** Bytes that a fuzzed peer sends: frames of plausible types with random content, and now and then garbage. */
const fuzz = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.nat(10),
        flags: fc.nat(255),
        id: fc.nat(5),
        payload: fc.uint8Array({ maxLength: 40 }),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ type: 1, flags: 4, id: 1, payload: encodeHeaders(REQUEST) }) },
    {
      weight: 1,
      arbitrary: fc.constant({ type: 1, flags: 5, id: 1, payload: encodeHeaders([...RESPONSE, ...OK_TRAILERS]) }),
    },
  ),
  { maxLength: 30 },
);

test("H2Connection takes any frames without throwing or leaving a call hanging", async () => {
  await fc.assert(
    fc.asyncProperty(fuzz, async (frames) => {
      const client = openClient();
      const server = openServer();
      const outcome = drainCall(openCall(client.connection)).catch(() => "failed");
      for (const { type, flags, id, payload } of frames) {
        client.receive((f) => rawFrame(f, type, flags, id, payload));
        server.receive((f) => rawFrame(f, type, flags, id, payload));
      }
      client.connection.close("the test is over");
      server.connection.close("the test is over");
      await outcome;
    }),
    { seed: 9113, numRuns: 500 },
  );
});

test("H2Connection takes any bytes without throwing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 100 })), async (chunks) => {
      for (const peer of [openClient(), openServer(), openServer({ bare: true })]) {
        for (const chunk of chunks) peer.connection.data(chunk);
        peer.connection.close("the test is over");
      }
    }),
    { seed: 9113, numRuns: 500 },
  );
});
