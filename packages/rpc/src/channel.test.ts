import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "./channel.ts";
import { connectH2c } from "./client.ts";
import { openInProcessChannel } from "./in-process.ts";
import { registerService } from "./route.ts";
import { serveH2c } from "./server.ts";
import { describeChannel } from "./testing/channel-contract.ts";
import { EchoDefinition, echo, quiet, toTestStatus } from "./testing/echo-service.ts";

describeChannel("a channel over a unix socket", async (impl) => {
  const dir = await mkdtemp(join(tmpdir(), "ctr-rpc-"));
  const path = join(dir, "s.sock");
  const services = [registerService(EchoDefinition, impl)];
  const server = await serveH2c({ path, services, toStatus: toTestStatus, drainMs: 100, ...quiet });
  const channel = await connectH2c({ path, ...quiet });
  return {
    channel,
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
});

describeChannel("a channel over TCP", async (impl) => {
  const services = [registerService(EchoDefinition, impl)];
  const server = await serveH2c({
    host: "127.0.0.1",
    port: 0,
    services,
    toStatus: toTestStatus,
    drainMs: 100,
    ...quiet,
  });
  const channel = await connectH2c({ host: "127.0.0.1", port: server.port ?? 0, ...quiet });
  return {
    channel,
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

describeChannel("a channel in process", async (impl) => {
  const channel = openInProcessChannel({ services: [registerService(EchoDefinition, impl)], toStatus: toTestStatus });
  return { channel, [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose]() };
});

test("openInProcessChannel() hands over a message's bytes without a copy, and freezes the message", async () => {
  let seen: Uint8Array | undefined;
  let frozen = false;
  const one: typeof echo.one = async (request) => {
    seen = request.value;
    frozen = Object.isFrozen(request);
    return request;
  };
  await using channel = openInProcessChannel({
    services: [registerService(EchoDefinition, { ...echo, one })],
    toStatus: toTestStatus,
    freezeMessages: true,
  });
  const value = new Uint8Array(10);
  const answer = await createClient(EchoDefinition, channel).one({ value }, quiet);
  expect(seen).toBe(value);
  expect(answer.value).toBe(value);
  expect(frozen).toBe(true);
  expect(Object.isFrozen(answer)).toBe(true);
});
