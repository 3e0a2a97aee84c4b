import { expect, test } from "bun:test";
import { frameType, readUint32 } from "./frame.ts";
import { STREAM_WINDOW_BYTES } from "./h2-connection.ts";
import { h2Code } from "./h2-error.ts";
import { registerService } from "./route.ts";
import { settingId } from "./settings.ts";
import { EchoDefinition, echo } from "./testing/echo-service.ts";
import {
  type Fixture,
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

/** Payload bytes of the DATA frames sent on a stream. */
function dataSent({ socket }: Fixture, streamId: number): number {
  return socket
    .ofType(frameType.data)
    .filter((frame) => frame.streamId === streamId)
    .reduce((sum, frame) => sum + frame.payload.byteLength, 0);
}

test("a client sends no more than the stream's window, and goes on when it grows", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  call.send(new Uint8Array(200_000));
  await settle();
  expect(dataSent(client, 1)).toBe(65_535);
  client.receive((frames) => {
    frames.windowUpdate(1, 10_000);
    frames.windowUpdate(0, 100_000);
  });
  await settle();
  expect(dataSent(client, 1)).toBe(75_535);
});

test("a client shares the connection's window among its streams", async () => {
  const client = openClient();
  const first = openCall(client.connection);
  const second = openCall(client.connection);
  first.send(new Uint8Array(60_000));
  second.send(new Uint8Array(60_000));
  await settle();
  expect(dataSent(client, 1) + dataSent(client, 3)).toBe(65_535);
  expect(dataSent(client, 1)).toBeGreaterThan(0);
  expect(dataSent(client, 3)).toBeGreaterThan(0);
  client.receive((frames) => frames.windowUpdate(0, 1_000_000));
  await settle();
  expect(dataSent(client, 1) + dataSent(client, 3)).toBe(120_010);
});

test("a larger initial window in flight lets a stalled stream go on", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  client.receive((frames) => frames.windowUpdate(0, 10_000_000));
  call.send(new Uint8Array(1_000_000));
  await settle();
  expect(dataSent(client, 1)).toBe(65_535);
  for (const size of [131_070, 294_888, 2_000_000]) {
    client.receive((frames) => frames.settings([[settingId.initialWindowSize, size]]));
    await settle();
    expect(dataSent(client, 1)).toBe(Math.min(size, 1_000_005));
  }
});

test("a smaller initial window may make a stream's window negative, which updates must first make good", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  client.receive((frames) => frames.windowUpdate(0, 10_000_000));
  call.send(new Uint8Array(300_000));
  await settle();
  client.receive((frames) => frames.settings([[settingId.initialWindowSize, 10_000]]));
  client.receive((frames) => frames.windowUpdate(1, 55_535));
  await settle();
  expect(dataSent(client, 1)).toBe(65_535);
  client.receive((frames) => frames.windowUpdate(1, 1));
  await settle();
  expect(dataSent(client, 1)).toBe(65_536);
});

test("an initial window that overflows a stream's window ends the connection", async () => {
  const client = openClient();
  openCall(client.connection);
  client.receive((frames) => {
    frames.windowUpdate(1, 0x7fff_0000);
    frames.settings([[settingId.initialWindowSize, 0x7fff_ffff]]);
  });
  await settle();
  expect(goawayCode(client)).toBe(h2Code.flowControlError);
});

test("a larger frame size in flight is used", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  client.receive((frames) => frames.settings([[settingId.maxFrameSize, 40_000]]));
  call.send(new Uint8Array(65_000));
  await settle();
  expect(client.socket.ofType(frameType.data).map((frame) => frame.payload.byteLength)).toEqual([40_000, 25_005]);
});

test("SETTINGS and PING are answered", async () => {
  const client = openClient();
  client.receive((frames) => frames.ping(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), false));
  await settle();
  expect(client.socket.ofType(frameType.settings).map((frame) => frame.flags)).toEqual([0, 1]);
  expect(client.socket.ofType(frameType.ping)).toMatchObject([
    { flags: 1, payload: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  ]);
});

test("a sender is held back while the socket takes nothing", async () => {
  const client = openClient();
  client.receive((frames) => {
    frames.settings([[settingId.initialWindowSize, 100_000_000]]);
    frames.windowUpdate(0, 100_000_000);
  });
  const call = openCall(client.connection);
  await settle();
  const before = client.socket.sentBytes;
  client.socket.held = true;
  let sent = 0;
  const writer = (async () => {
    for (; sent < 50; sent++) await call.send(new Uint8Array(100_000));
  })();
  await settle();
  // One batch of 256 KiB in the socket, one being filled, and what a stream may queue besides.
  expect(sent).toBeLessThan(10);
  expect(client.socket.sentBytes).toBe(before);
  client.socket.release();
  await writer;
  await settle();
  expect(dataSent(client, 1)).toBe(50 * 100_005);
});

test("a response stream that nobody reads stops the server at one window", async () => {
  let produced = 0;
  const services = [
    registerService(EchoDefinition, {
      ...echo,
      async *expand() {
        for (;;) {
          produced += 10_000;
          yield { value: new Uint8Array(10_000) };
        }
      },
    }),
  ];
  const server = openServer({ services });
  server.receive((frames) => {
    frames.windowUpdate(0, 1_000_000_000);
    headersFrame(frames, 1, [...REQUEST.filter(([name]) => name !== ":path"), [":path", "/test.v1.Echo/Expand"]]);
    messageFrame(frames, 1, new Uint8Array(0), true);
  });
  for (let i = 0; i < 50; i++) await settle();
  expect(dataSent(server, 1)).toBe(65_535);
  expect(produced).toBeLessThan(65_535 + 64 * 1024 + 20_000);
  server.receive((frames) => frames.rstStream(1, h2Code.cancel));
});

test("a reader that does not read gives no window back, and one that reads does", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  const message = new Uint8Array(10_000 - 5);
  client.receive((frames) => headersFrame(frames, 1, RESPONSE));
  const messages = Math.floor(STREAM_WINDOW_BYTES / 10_000);
  for (let i = 0; i < messages; i++) client.receive((frames) => messageFrame(frames, 1, message));
  await settle();
  const updates = () => client.socket.ofType(frameType.windowUpdate).filter((frame) => frame.streamId === 1);
  expect(updates()).toEqual([]);
  expect(call.responses.heldBytes).toBe(messages * 10_000);
  for (let i = 0; i < messages; i++) await call.responses.take();
  await settle();
  expect(updates().reduce((sum, frame) => sum + readUint32(frame.payload, 0), 0)).toBeGreaterThanOrEqual(
    STREAM_WINDOW_BYTES / 2,
  );
  expect(call.responses.heldBytes).toBe(0);
});

test("a message larger than the window arrives, because its reader waits for it", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  const size = 8_000_000;
  client.receive((frames) => headersFrame(frames, 1, RESPONSE));
  const taken = call.responses.take();
  client.receive((f) =>
    rawFrame(f, frameType.data, 0, 1, Uint8Array.of(0, size >>> 24, size >>> 16, size >>> 8, size)),
  );
  let window = STREAM_WINDOW_BYTES - 5;
  let seen = 0;
  for (let sent = 0; sent < size; ) {
    const granted = client.socket.ofType(frameType.windowUpdate).filter((frame) => frame.streamId === 1);
    for (const frame of granted.slice(seen)) window += readUint32(frame.payload, 0);
    seen = granted.length;
    const part = Math.min(16_000, size - sent, window);
    expect(part).toBeGreaterThan(0);
    client.receive((f) => rawFrame(f, frameType.data, 0, 1, new Uint8Array(part)));
    sent += part;
    window -= part;
    await settle();
  }
  expect((await taken)?.byteLength).toBe(size);
});

test("calls above the server's limit wait, and a waiting one can be cancelled", async () => {
  const client = openClient();
  client.receive((frames) => frames.settings([[settingId.maxConcurrentStreams, 1]]));
  const first = openCall(client.connection);
  const controller = new AbortController();
  const second = openCall(client.connection, { signal: controller.signal });
  const third = openCall(client.connection);
  third.send(new Uint8Array(3));
  await settle();
  expect(client.socket.ofType(frameType.headers)).toHaveLength(1);
  controller.abort();
  await expect(second.responses.take()).rejects.toMatchObject({ code: 1 });
  client.receive((frames) => headersFrame(frames, 1, [...RESPONSE, ...OK_TRAILERS], true));
  expect(await first.responses.take()).toBeUndefined();
  await settle();
  expect(client.socket.ofType(frameType.headers).map((frame) => frame.streamId)).toEqual([1, 3]);
  expect(dataSent(client, 3)).toBe(8);
  client.receive((frames) => headersFrame(frames, 3, [...RESPONSE, ...OK_TRAILERS], true));
  expect(await third.responses.take()).toBeUndefined();
});

test("after GOAWAY old calls finish, new ones fail, and then the connection closes", async () => {
  const client = openClient();
  const old = openCall(client.connection);
  client.receive((frames) => frames.goaway(1, h2Code.noError, ""));
  expect(client.connection.closing).toContain("is closing the connection");
  expect(() => openCall(client.connection)).toThrow("is closing the connection");
  client.receive((frames) => {
    headersFrame(frames, 1, RESPONSE);
    messageFrame(frames, 1, Uint8Array.of(7));
    headersFrame(frames, 1, OK_TRAILERS, true);
  });
  expect(await old.responses.take()).toEqual(Uint8Array.of(7));
  expect(await old.responses.take()).toBeUndefined();
  old.closeSend();
  await settle();
  expect(client.socket.closed).toBe(true);
});

test("a GOAWAY's error code and text are in the error of the calls it ends", async () => {
  const client = openClient();
  const call = openCall(client.connection);
  client.receive((frames) => frames.goaway(0, h2Code.enhanceYourCalm, "too_many_pings"));
  await expect(call.responses.take()).rejects.toThrow("ENHANCE_YOUR_CALM too_many_pings");
});

test("a server that drains finishes what has begun and takes nothing new", async () => {
  const server = openServer();
  server.receive((frames) => {
    headersFrame(frames, 1, [...REQUEST.filter(([name]) => name !== ":path"), [":path", "/test.v1.Echo/Gather"]]);
    messageFrame(frames, 1, new Uint8Array(0));
  });
  server.connection.drain();
  server.receive((frames) => headersFrame(frames, 3, REQUEST));
  await settle();
  expect(server.socket.closed).toBe(false);
  // Its request ends only now.
  server.receive((frames) => rawFrame(frames, frameType.data, 1, 1, new Uint8Array(0)));
  await settle();
  expect(server.socket.ofType(frameType.headers).every((frame) => frame.streamId === 1)).toBe(true);
  expect(server.socket.closed).toBe(true);
  expect(resetCode(server, 1)).toBeUndefined();
});

test("the bytes of a drained connection's last call leave before it closes, though the peer reads late", async () => {
  const server = openServer();
  server.receive((frames) => frames.windowUpdate(0, 1_000_000));
  await settle();
  server.socket.held = true;
  server.receive((frames) => {
    headersFrame(frames, 1, REQUEST);
    messageFrame(frames, 1, new Uint8Array(0), true);
  });
  await settle();
  server.connection.drain();
  await settle();
  expect(server.socket.closed).toBe(false);
  server.socket.release();
  await settle();
  expect(server.socket.ofType(frameType.headers)).toHaveLength(2);
  expect(server.socket.closed).toBe(true);
});
