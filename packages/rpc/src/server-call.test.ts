import { expect, test } from "bun:test";
import { frameType } from "./frame.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { registerService } from "./route.ts";
import { aborted, EchoDefinition, echo } from "./testing/echo-service.ts";
import { headersFrame, messageFrame, openServer, REQUEST } from "./testing/fake-peer.ts";

test("a server ends a call at its grpc-timeout, though the client says nothing more", async () => {
  const told = Promise.withResolvers<unknown>();
  const one: typeof echo.one = async (request, context) => {
    told.resolve(await aborted(context));
    return request;
  };
  const server = openServer({ services: [registerService(EchoDefinition, { ...echo, one })] });
  server.receive((frames) => {
    headersFrame(frames, 1, [...REQUEST, ["grpc-timeout", "10m"]]);
    messageFrame(frames, 1, new Uint8Array(0), true);
  });
  expect(await told.promise).toMatchObject({ name: "TimeoutError" });
  const [answer] = server.socket.ofType(frameType.headers);
  const hpack = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 4096 });
  const decoded = hpack.decode(answer?.payload ?? new Uint8Array(0));
  expect(decoded).toMatchObject({ kind: "fields", fields: expect.arrayContaining([["grpc-status", "4"]]) });
});
