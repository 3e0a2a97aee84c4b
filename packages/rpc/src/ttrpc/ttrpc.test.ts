import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "../channel.ts";
import { Response } from "../gen/ttrpc/request.ts";
import { registerService } from "../route.ts";
import type { CallContext } from "../service.ts";
import { StatusError } from "../status.ts";
import { aborted, collect, EchoDefinition, type EchoImpl, echo, quiet, toTestStatus } from "../testing/echo-service.ts";
import { connectTtrpc } from "./client.ts";
import { encodeRequest } from "./envelope.ts";
import { encodeTtrpcFrame, MAX_TTRPC_BYTES, type TtrpcFrame, TtrpcFrameReader } from "./frame.ts";
import { serveTtrpc } from "./server.ts";

async function openDir() {
  const dir = await mkdtemp(join(tmpdir(), "ctr-ttrpc-"));
  return { path: join(dir, "s"), [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}

async function openEcho(over: Partial<EchoImpl> = {}) {
  const dir = await openDir();
  const services = [registerService(EchoDefinition, { ...echo, ...over })];
  const server = await serveTtrpc({ path: dir.path, services, toStatus: toTestStatus, ...quiet });
  const channel = await connectTtrpc({ path: dir.path, ...quiet });
  return {
    path: dir.path,
    server,
    channel,
    client: createClient(EchoDefinition, channel),
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** A peer that writes raw frames and hands out what comes back, in order. */
async function openRaw(path: string) {
  const socket = connect(path);
  return { socket, ...framesOf(socket) };
}

function framesOf(socket: Socket) {
  const frames: TtrpcFrame[] = [];
  const waiting: ((frame: TtrpcFrame) => void)[] = [];
  const reader = new TtrpcFrameReader({
    frame: (frame) => (waiting.shift() ?? ((kept) => frames.push(kept)))(frame),
    oversize() {},
  });
  socket.on("data", (chunk) => reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
  socket.on("error", () => {});
  const next = () =>
    new Promise<TtrpcFrame>((resolve) => {
      const frame = frames.shift();
      if (frame) resolve(frame);
      else waiting.push(resolve);
    });
  const send = (frame: Partial<TtrpcFrame>) =>
    socket.write(encodeTtrpcFrame({ streamId: 1, type: 1, flags: 0, payload: new Uint8Array(0), ...frame }));
  return { next, send };
}

const requestBytes = (path: string) => encodeRequest(path, new Uint8Array(0), undefined, {});
const statusIn = (frame: TtrpcFrame) => Response.decode(frame.payload).status;

test("a ttrpc channel carries a unary call, empty and large ones too", async () => {
  await using opened = await openEcho();
  const value = new Uint8Array(3_000_000).fill(7);
  expect(await opened.client.one({ typeUrl: "täg", value }, quiet)).toEqual({ typeUrl: "täg", value });
  expect(await opened.client.one({}, quiet)).toEqual({ typeUrl: "", value: new Uint8Array(0) });
});

test("a ttrpc channel carries many calls at once, answered in any order", async () => {
  const waiting: (() => void)[] = [];
  await using opened = await openEcho({
    async one(request) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 200) for (const go of waiting.reverse()) go();
      });
      return request;
    },
  });
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => opened.client.one({ typeUrl: String(i) }, quiet)),
  );
  expect(answers.map((answer) => Number(answer.typeUrl))).toEqual(Array.from({ length: 200 }, (_, i) => i));
});

test("a ttrpc channel carries metadata of text, and refuses bytes", async () => {
  let seen: CallContext["metadata"] = {};
  await using opened = await openEcho({
    async one(_request, context) {
      seen = context.metadata;
      return {};
    },
  });
  await opened.client.one({}, { ...quiet, metadata: { "Some-Key": "k8s.io" } });
  expect(seen).toEqual({ "some-key": "k8s.io" });
  const refused = opened.client.one({}, { ...quiet, metadata: { "x-bin": Uint8Array.of(1) } });
  await expect(refused).rejects.toMatchObject({ code: 3 });
});

test("a ttrpc channel carries a status with its details", async () => {
  const details = [{ typeUrl: "type/x", value: Uint8Array.of(9) }];
  await using opened = await openEcho({
    async one() {
      throw new StatusError({ code: 9, message: "ungültig", details }, "/x");
    },
  });
  const error = await opened.client.one({}, quiet).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 9, details });
});

test("serveTtrpc() names the service or method it does not have", async () => {
  await using opened = await openEcho();
  const call = (path: string) =>
    opened.channel.unary(path, EchoDefinition.methods.one, { typeUrl: "", value: new Uint8Array(0) }, quiet);
  await expect(call("/a.B/C")).rejects.toMatchObject({ code: 12, message: expect.stringContaining("service a.B") });
  await expect(call("/test.v1.Echo/No")).rejects.toMatchObject({
    code: 12,
    message: expect.stringContaining("method No"),
  });
});

test("a streaming method is unimplemented on both sides, and the connection goes on", async () => {
  await using opened = await openEcho();
  await expect(collect(opened.client.expand({}, quiet))).rejects.toMatchObject({ code: 12 });
  const raw = await openRaw(opened.path);
  raw.send({ payload: requestBytes("/test.v1.Echo/Expand"), flags: 1 });
  expect(statusIn(await raw.next())?.code).toBe(12);
  raw.send({ streamId: 3, payload: requestBytes("/test.v1.Echo/One") });
  expect(statusIn(await raw.next())).toBeUndefined();
  raw.socket.destroy();
});

test("a deadline ends a call on both sides", async () => {
  let ended: (reason: unknown) => void = () => {};
  const told = new Promise((resolve) => {
    ended = resolve;
  });
  await using opened = await openEcho({
    async one(_request, context) {
      ended(await aborted(context));
      return {};
    },
  });
  await expect(opened.client.one({}, { ...quiet, timeoutMs: 20 })).rejects.toMatchObject({ code: 4 });
  expect(await told).toMatchObject({ name: "TimeoutError" });
});

test("an aborted signal ends the wait for an answer", async () => {
  const controller = new AbortController();
  await using opened = await openEcho({
    async one(_request, context) {
      controller.abort();
      await aborted(context);
      return {};
    },
  });
  await expect(opened.client.one({}, { signal: controller.signal })).rejects.toMatchObject({ code: 1 });
  expect(opened.channel.isClosed).toBe(false);
});

test("a connection closed mid-call fails the call, then every new one, with unavailable", async () => {
  let begun: () => void = () => {};
  const underWay = new Promise<void>((resolve) => {
    begun = resolve;
  });
  await using opened = await openEcho({
    async one(_request, context) {
      begun();
      await aborted(context);
      return {};
    },
  });
  const call = opened.client.one({}, quiet).catch((error: unknown) => error);
  await underWay;
  await opened.server[Symbol.asyncDispose]();
  expect(await call).toMatchObject({ code: 14 });
  await opened.channel.closed;
  await expect(opened.client.one({}, quiet)).rejects.toMatchObject({ code: 14 });
});

test("a client refuses to send what the protocol does not carry", async () => {
  await using opened = await openEcho();
  const value = new Uint8Array(MAX_TTRPC_BYTES);
  await expect(opened.client.one({ value }, quiet)).rejects.toMatchObject({ code: 8 });
});

test("a server answers an oversize request, and one response too large, with resource_exhausted", async () => {
  await using opened = await openEcho({ one: async () => ({ value: new Uint8Array(MAX_TTRPC_BYTES) }) });
  await expect(opened.client.one({}, quiet)).rejects.toMatchObject({ code: 8 });
  const raw = await openRaw(opened.path);
  raw.send({ payload: new Uint8Array(MAX_TTRPC_BYTES + 1) });
  expect(statusIn(await raw.next())).toMatchObject({
    code: 8,
    message: "message length 4194305 exceed maximum message size of 4194304",
  });
  raw.socket.destroy();
});

test.each<[string, Partial<TtrpcFrame>, string]>([
  ["an even stream id", { streamId: 2 }, "must be odd"],
  ["a stream id used before", { streamId: 1 }, "cannot be re-used"],
  ["data for no stream", { streamId: 9, type: 3 }, "no longer active"],
  ["a response", { streamId: 9, type: 2 }, "not one a client sends"],
  ["a request that is no message", { streamId: 9, payload: Uint8Array.of(0xff, 0xff) }, "cannot decode"],
])("a server answers %s with invalid_argument, and the connection goes on", async (_what, frame, words) => {
  await using opened = await openEcho();
  const raw = await openRaw(opened.path);
  raw.send({ streamId: 1, payload: requestBytes("/test.v1.Echo/One") });
  expect(statusIn(await raw.next())).toBeUndefined();
  raw.send(frame);
  const refusal = await raw.next();
  expect(refusal.streamId).toBe(frame.streamId ?? 0);
  expect(statusIn(refusal)).toMatchObject({ code: 3, message: expect.stringContaining(words) });
  raw.send({ streamId: 11, payload: requestBytes("/test.v1.Echo/One") });
  expect((await raw.next()).streamId).toBe(11);
  raw.socket.destroy();
});

test.each<[string, (streamId: number) => Partial<TtrpcFrame>[], object]>([
  ["a payload that is no message", () => [{ type: 2, payload: Uint8Array.of(0xff) }], { code: 13 }],
  ["a payload above the limit", () => [{ type: 2, payload: new Uint8Array(MAX_TTRPC_BYTES + 1) }], { code: 8 }],
  [
    "answers on other streams first",
    () => [{ streamId: 77, type: 2 }, { streamId: 2, type: 9 }, { type: 2 }],
    { typeUrl: "" },
  ],
  [
    "a stream of one message",
    () => [
      { type: 3, payload: Uint8Array.of(10, 1, 120) },
      { type: 3, flags: 5 },
    ],
    { typeUrl: "x" },
  ],
])("a client that is sent %s ends the call accordingly", async (_what, answers, outcome) => {
  await using dir = await openDir();
  const server = createServer((socket) => {
    const raw = framesOf(socket);
    void raw.next().then(({ streamId }) => {
      for (const answer of answers(streamId)) raw.send({ streamId, ...answer });
    });
  });
  await new Promise<void>((resolve) => server.listen(dir.path, resolve));
  await using channel = await connectTtrpc({ path: dir.path, ...quiet });
  const result = await createClient(EchoDefinition, channel)
    .one({}, quiet)
    .catch((error: unknown) => error);
  expect(result).toMatchObject(outcome);
  server.close();
});
