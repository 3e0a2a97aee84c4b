import { describe, expect, spyOn, test } from "bun:test";
import { type Channel, createClient } from "../channel.ts";
import { Any } from "../gen/google/protobuf/any.ts";
import type { CallContext } from "../service.ts";
import { StatusError } from "../status.ts";
import { aborted, collect, EchoDefinition, type EchoImpl, each, echo, quiet } from "./echo-service.ts";

/** A channel to a server of the test's own; disposing it ends both. */
export interface OpenChannel extends AsyncDisposable {
  readonly channel: Channel;
}

/** What every channel promises, whatever carries its messages. */
export function describeChannel(name: string, open: (impl: EchoImpl) => Promise<OpenChannel>): void {
  const openEcho = async (over: Partial<EchoImpl> = {}) => {
    const opened = await open({ ...echo, ...over });
    return {
      client: createClient(EchoDefinition, opened.channel),
      channel: opened.channel,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  };

  describe(name, () => {
    test("carries a unary call", async () => {
      await using opened = await openEcho();
      const request = { typeUrl: "täg", value: Uint8Array.of(1, 2, 3) };
      expect(await opened.client.one(request, quiet)).toEqual(request);
    });

    test("carries a stream of responses in order", async () => {
      await using opened = await openEcho();
      const responses = await collect(opened.client.expand({ typeUrl: "r", value: Uint8Array.of(50) }, quiet));
      expect(responses.map((response) => response.typeUrl)).toEqual(Array.from({ length: 50 }, (_, i) => `r${i}`));
    });

    test("carries a stream of requests", async () => {
      await using opened = await openEcho();
      const value = new Uint8Array(3_000_000);
      const answer = await opened.client.gather(each({ value }, { value }, {}), quiet);
      expect(answer.typeUrl).toBe("3 messages, 6000000 bytes");
    });

    test("carries both streams at once, each side waiting for the other", async () => {
      await using opened = await openEcho();
      const seen: string[] = [];
      let next: (() => void) | undefined;
      async function* requests() {
        for (let i = 0; i < 5; i++) {
          const answered = new Promise<void>((resolve) => {
            next = resolve;
          });
          yield { typeUrl: String(i) };
          await answered;
        }
      }
      for await (const response of opened.client.chat(requests(), quiet)) {
        seen.push(response.typeUrl);
        next?.();
      }
      expect(seen).toEqual(["0", "1", "2", "3", "4"]);
    });

    test("carries many calls at once", async () => {
      await using opened = await openEcho();
      const calls = Array.from({ length: 300 }, (_, i) => opened.client.one({ typeUrl: String(i) }, quiet));
      const answers = await Promise.all(calls);
      expect(answers.map((answer) => Number(answer.typeUrl))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    });

    test("carries metadata, bytes under names that end in -bin", async () => {
      let seen: CallContext["metadata"] = {};
      await using opened = await openEcho({
        async one(_request, context) {
          seen = context.metadata;
          return {};
        },
      });
      const metadata = { "containerd-namespace": "k8s.io", "trace-bin": Uint8Array.of(0, 255, 128, 1) };
      await opened.client.one({}, { ...quiet, metadata });
      expect(seen).toMatchObject(metadata);
    });

    test("carries a status with its details", async () => {
      const details = [Any.fromPartial({ typeUrl: "type/x", value: Uint8Array.of(9) })];
      await using opened = await openEcho({
        async one() {
          throw new StatusError({ code: 9, message: "100% ungültig\n", details }, "/x");
        },
      });
      const error = await opened.client.one({}, quiet).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 9, details });
      expect(String(error)).toContain("100% ungültig\n");
    });

    test("gives what was sent before an error in the middle of a stream", async () => {
      await using opened = await openEcho({
        async *expand() {
          yield { typeUrl: "first" };
          throw new Error("broke");
        },
      });
      const seen: string[] = [];
      const reading = (async () => {
        for await (const response of opened.client.expand({}, quiet)) seen.push(response.typeUrl);
      })();
      await expect(reading).rejects.toMatchObject({ code: 13 });
      expect(seen).toEqual(["first"]);
    });

    test("lets a service answer before it has read every request", async () => {
      await using opened = await openEcho({
        async gather(requests) {
          for await (const request of requests) return request;
          return {};
        },
      });
      async function* endless() {
        for (;;) yield { typeUrl: "again", value: new Uint8Array(100_000) };
      }
      expect((await opened.client.gather(endless(), quiet)).typeUrl).toBe("again");
    });

    test("answers an unknown method with unimplemented", async () => {
      await using opened = await openEcho();
      const call = opened.channel.unary("/test.v1.Echo/Nope", EchoDefinition.methods.one, Any.fromPartial({}), quiet);
      await expect(call).rejects.toMatchObject({ code: 12 });
    });

    test("answers an unknown service with unimplemented", async () => {
      await using opened = await openEcho();
      const call = opened.channel.unary("/no.Such/One", EchoDefinition.methods.one, Any.fromPartial({}), quiet);
      await expect(call).rejects.toThrow("unknown service no.Such");
    });

    test("refuses a request above 16 MiB", async () => {
      await using opened = await openEcho();
      const value = new Uint8Array(16 * 1024 * 1024 + 1);
      await expect(opened.client.one({ value }, quiet)).rejects.toMatchObject({ code: 8 });
      expect((await opened.client.one({ typeUrl: "still there" }, quiet)).typeUrl).toBe("still there");
    });

    test("refuses a response above 16 MiB", async () => {
      await using opened = await openEcho({
        async one() {
          return { value: new Uint8Array(16 * 1024 * 1024 + 1) };
        },
      });
      await expect(opened.client.one({}, quiet)).rejects.toMatchObject({ code: 8 });
    });

    test("cancels both sides of a unary call", async () => {
      const began = Promise.withResolvers<CallContext>();
      await using opened = await openEcho({
        async one(_request, context) {
          began.resolve(context);
          await aborted(context);
          throw new Error("cancelled");
        },
      });
      const controller = new AbortController();
      const call = opened.client.one({}, { signal: controller.signal });
      const context = await began.promise;
      const reason = new Error("the user pressed Ctrl-C");
      controller.abort(reason);
      const error = await call.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 1, cause: reason });
      await aborted(context);
    });

    test("does not begin a call whose signal is aborted", async () => {
      let called = false;
      await using opened = await openEcho({
        async one() {
          called = true;
          return {};
        },
      });
      const call = opened.client.one({}, { signal: AbortSignal.abort() });
      await expect(call).rejects.toMatchObject({ code: 1 });
      expect(called).toBe(false);
    });

    test("ends a call at its deadline on both sides", async () => {
      const ended = Promise.withResolvers<unknown>();
      await using opened = await openEcho({
        async one(_request, context) {
          ended.resolve(await aborted(context));
          throw new Error("too late");
        },
      });
      await expect(opened.client.one({}, { ...quiet, timeoutMs: 20 })).rejects.toMatchObject({ code: 4 });
      await ended.promise;
    });

    test("counts a signal that timed out as a deadline", async () => {
      await using opened = await openEcho({ one: (_request, context) => aborted(context).then(() => ({})) });
      const call = opened.client.one({}, { signal: AbortSignal.timeout(10) });
      await expect(call).rejects.toMatchObject({ code: 4 });
    });

    test("cancels the service when its reader leaves the loop", async () => {
      const left = Promise.withResolvers<unknown>();
      await using opened = await openEcho({
        async *expand(_request, context) {
          try {
            for (;;) yield { value: new Uint8Array(1000) };
          } finally {
            left.resolve(context.signal);
          }
        },
      });
      for await (const _response of opened.client.expand({}, quiet)) break;
      await left.promise;
    });

    test("ends the requests of a call that its service ended", async () => {
      const ended = Promise.withResolvers<void>();
      await using opened = await openEcho({
        async *chat(requests) {
          for await (const request of requests) {
            if (request.value.byteLength > 0) throw new StatusError({ code: 5, message: "no", details: [] }, "/x");
            yield request;
          }
        },
      });
      async function* requests() {
        try {
          for (;;) yield { value: new Uint8Array(100_000) };
        } finally {
          ended.resolve();
        }
      }
      await expect(collect(opened.client.chat(requests(), quiet))).rejects.toMatchObject({ code: 5 });
      await ended.promise;
    });

    test("throws to the caller what its own requests threw, and cancels the service", async () => {
      const told = Promise.withResolvers<unknown>();
      await using opened = await openEcho({
        async gather(requests) {
          try {
            for await (const _request of requests);
          } catch (error) {
            told.resolve(error);
          }
          return {};
        },
      });
      const broken = new Error("the file ended early");
      async function* requests() {
        yield {};
        throw broken;
      }
      await expect(opened.client.gather(requests(), quiet)).rejects.toBe(broken);
      expect(await told.promise).toMatchObject({ code: 1 });
    });

    test("leaves no listener on a signal once its calls have ended", async () => {
      await using opened = await openEcho();
      const { signal } = new AbortController();
      const added = spyOn(signal, "addEventListener");
      const removed = spyOn(signal, "removeEventListener");
      await opened.client.one({}, { signal, timeoutMs: 60_000 });
      await collect(opened.client.chat(each({}, {}), { signal }));
      for await (const _response of opened.client.expand({ value: Uint8Array.of(9) }, { signal })) break;
      expect(added).toHaveBeenCalledTimes(3);
      expect(removed).toHaveBeenCalledTimes(3);
    });

    test("refuses metadata that gRPC cannot carry, and goes on", async () => {
      await using opened = await openEcho();
      const call = opened.client.one({}, { ...quiet, metadata: { name: "line\nbreak" } });
      await expect(call).rejects.toMatchObject({ code: 3 });
      expect((await opened.client.one({ typeUrl: "next" }, quiet)).typeUrl).toBe("next");
    });

    test("fails calls under way and new ones once it is disposed", async () => {
      const began = Promise.withResolvers<void>();
      await using opened = await openEcho({
        async one(_request, context) {
          began.resolve();
          await aborted(context);
          throw new Error("cancelled");
        },
      });
      const call = opened.client.one({}, quiet).catch((error: unknown) => error);
      await began.promise;
      await opened.channel[Symbol.asyncDispose]();
      await opened.channel[Symbol.asyncDispose]();
      expect(await call).toMatchObject({ code: 14 });
      await expect(opened.client.one({}, quiet)).rejects.toMatchObject({ code: 14 });
    });
  });
}
