import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contentV1, errorFromStatus, toStatus, versionV1 } from "@ctr/api";
import { digestOf } from "@ctr/oci";
import { type Channel, type Metadata, openInProcessChannel, registerService } from "@ctr/rpc";
import { Client } from "./client.ts";
import { connect } from "./connect.ts";

function versionDaemon(seen: Metadata[]): Channel {
  const services = [
    registerService(versionV1.VersionDefinition, {
      async version(_request, { metadata }) {
        seen.push(metadata);
        return { version: "9.9" };
      },
    }),
  ];
  return openInProcessChannel({ services, toStatus, errorFrom: errorFromStatus });
}

test("every call names the namespace, and the lease where there is one", async () => {
  const seen: Metadata[] = [];
  const client = new Client(versionDaemon(seen));
  await client.version();
  await client.withNamespace("other").version();
  await client.withNamespace("other").withLease("l1").version();
  await client.withLease("l2").withNamespace("third").version();
  expect(seen).toMatchObject([
    { "containerd-namespace": "default" },
    { "containerd-namespace": "other" },
    { "containerd-namespace": "other", "containerd-lease": "l1" },
    { "containerd-namespace": "third" },
  ]);
  expect(seen[3]).not.toHaveProperty("containerd-lease");
});

test("disposing closes a channel that is the client's own, and never through a view", async () => {
  let closed = 0;
  const channel: Channel = {
    ...versionDaemon([]),
    unary: () => Promise.reject(new Error("unused")),
    stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("unused")) }) }),
    async [Symbol.asyncDispose]() {
      closed += 1;
    },
  };
  await new Client(channel)[Symbol.asyncDispose]();
  const owner = new Client(channel, { ownsChannel: true });
  await owner.withNamespace("x")[Symbol.asyncDispose]();
  await owner.withLease("x")[Symbol.asyncDispose]();
  expect(closed).toBe(0);
  await owner[Symbol.asyncDispose]();
  expect(closed).toBe(1);
});

test("an error has the daemon's words under the code's name", async () => {
  const client = new Client(versionDaemon([]));
  await expect(client.images.get("x")).rejects.toMatchObject({ code: "unimplemented" });
});

test("a writer whose stream the daemon breaks off fails, and disposing it does not hang", async () => {
  const { WriteAction } = contentV1;
  const definition = { ...contentV1.ContentDefinition, methods: { write: contentV1.ContentDefinition.methods.write } };
  const services = [
    registerService(definition, {
      async *write(requests) {
        let messages = 0;
        for await (const { action } of requests) {
          if (messages++ === 1) return;
          yield { action, offset: 0n, digest: digestOf(new Uint8Array()) };
          expect(action).toBe(WriteAction.STAT);
        }
      },
    }),
  ];
  const client = new Client(openInProcessChannel({ services, toStatus, errorFrom: errorFromStatus }));
  const writer = await client.content.writer("ref");
  await expect(writer.write(new Uint8Array(3))).rejects.toMatchObject({ code: "unavailable" });
  await writer[Symbol.asyncDispose]();
  await writer[Symbol.asyncDispose]();
  await expect(writer.write(new Uint8Array(3))).rejects.toMatchObject({ code: "failed_precondition" });
});

test("connect() tells what is wrong with a socket and how to mend it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ctr-connect-"));
  try {
    const missing = await connect({ address: `${dir}/x.sock` }).catch((error: unknown) => error);
    expect(missing).toMatchObject({
      code: "unavailable",
      message: `cannot access socket ${dir}/x.sock: stat ${dir}/x.sock: no such file or directory`,
      fix: expect.stringContaining("--address"),
    });
    await Bun.write(`${dir}/file`, "");
    chmodSync(`${dir}/file`, 0o600);
    const refused = await connect({ address: `${dir}/file` }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      message: `connection error: desc = "transport: Error while dialing: dial unix ${dir}/file: connect: connection refused"`,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("documents() has every one that was asked for, one missing or not", async () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const [remote, missing] = [encode("remote"), encode("missing")] as const;
  const seen: string[] = [];
  const definition = { ...contentV1.ContentDefinition, methods: { read: contentV1.ContentDefinition.methods.read } };
  const services = [
    registerService(definition, {
      async *read({ digest }) {
        seen.push(digest);
        if (digest !== digestOf(remote)) throw new Error("it is gone");
        yield { data: remote.subarray(0, 3) };
        yield { data: remote.subarray(3) };
      },
    }),
  ];
  const channel = openInProcessChannel({ services, toStatus, errorFrom: errorFromStatus });
  const found = await new Client(channel).content.documents([remote, missing].map(digestOf));
  expect(found.get(digestOf(remote))).toEqual(remote);
  expect(found.get(digestOf(missing))).toMatchObject({ fault: { message: expect.stringContaining("it is gone") } });
  expect(seen.toSorted()).toEqual([remote, missing].map(digestOf).toSorted());
});
