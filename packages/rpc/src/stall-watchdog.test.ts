import { expect, test } from "bun:test";
import { frameType } from "./frame.ts";
import { openCall, openClient, settle } from "./testing/fake-peer.ts";

const LIMIT_MS = 20;

test("the watchdog fails every call when the socket takes nothing and no ping is answered", async () => {
  const client = openClient({ watchdogMs: LIMIT_MS });
  await settle();
  client.socket.held = true;
  const call = openCall(client.connection);
  call.send(new Uint8Array(1000));
  await expect(call.responses.take()).rejects.toThrow("has not taken anything for 40 ms nor answered a ping");
  expect(client.socket.closed).toBe(true);
});

test("the watchdog fails every call when the windows stay shut and no ping is answered", async () => {
  const client = openClient({ watchdogMs: LIMIT_MS });
  const call = openCall(client.connection);
  call.send(new Uint8Array(100_000));
  await expect(call.responses.take()).rejects.toMatchObject({ code: 14 });
  expect(client.socket.ofType(frameType.ping)).toHaveLength(1);
});

test("the watchdog leaves a peer alone that answers its ping, and does not ping it again", async () => {
  const client = openClient({ watchdogMs: LIMIT_MS });
  const call = openCall(client.connection);
  call.send(new Uint8Array(100_000));
  let failed = false;
  call.responses.take().catch(() => {
    failed = true;
  });
  while (client.socket.ofType(frameType.ping).length === 0) await settle();
  client.receive((frames) => frames.ping(new Uint8Array(8), true));
  // A timer as long as several of the watchdog's limits is the event to wait for: nothing must happen before it.
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, LIMIT_MS * 6);
  await promise;
  expect(failed).toBe(false);
  expect(client.socket.ofType(frameType.ping)).toHaveLength(1);
  client.connection.close("the test is over");
});

test("the watchdog never pings while nothing waits to be sent", async () => {
  const client = openClient({ watchdogMs: 1 });
  const call = openCall(client.connection);
  call.send(new Uint8Array(10));
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, LIMIT_MS);
  await promise;
  expect(client.socket.ofType(frameType.ping)).toHaveLength(0);
  client.connection.close("the test is over");
  await call.responses.take().catch(() => {});
});
