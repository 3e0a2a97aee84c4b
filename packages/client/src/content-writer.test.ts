import { expect, test } from "bun:test";
import { ContainerdError, contentV1, errorFromStatus, toStatus } from "@ctr/api";
import { openInProcessChannel, registerService, type ServiceImpl } from "@ctr/rpc";
import { Client } from "./client.ts";
import { openRemoteWriter } from "./content-writer.ts";

const MIB = 1024 * 1024;

/** A daemon that answers each message with what it has, the `broken`th not at all. */
function daemonWith(stored: Buffer[], broken = Number.POSITIVE_INFINITY): Client {
  const service: Pick<ServiceImpl<typeof contentV1.ContentDefinition>, "write"> = {
    async *write(requests) {
      let offset = 0n;
      let messages = 0;
      for await (const { action, offset: at, data } of requests) {
        if (++messages === broken) throw new ContainerdError({ code: "resource_exhausted", what: "no room" });
        if (at !== offset) throw new ContainerdError({ code: "out_of_range", what: `${at} is not ${offset}` });
        stored.push(Buffer.from(data));
        offset += BigInt(data.byteLength);
        const digest = action === contentV1.WriteAction.COMMIT ? `sha256:${"0".repeat(64)}` : "";
        yield { action, offset, digest };
      }
    },
  };
  // Of the service, a writer calls `write` alone.
  const content = registerService(
    contentV1.ContentDefinition,
    service as ServiceImpl<typeof contentV1.ContentDefinition>,
  );
  return new Client(openInProcessChannel({ services: [content], toStatus, errorFrom: errorFromStatus }), {
    ownsChannel: true,
  });
}

test("write() may be called before the last one is answered: what was given goes in order, and each waits for its own", async () => {
  const stored: Buffer[] = [];
  await using client = daemonWith(stored);
  await using writer = await openRemoteWriter(client, "ref-1", {});
  const chunks = [2.5, 0.5, 3].map((size, at) => Buffer.alloc(size * MIB, at + 1));
  let end = 0;
  const writes = chunks.map((chunk) => {
    end += chunk.byteLength;
    const until = end;
    return writer.write(chunk).then(() => expect(Buffer.concat(stored).byteLength).toBeGreaterThanOrEqual(until));
  });
  await Promise.all(writes);
  expect(writer.offset).toBe(BigInt(6 * MIB));
  await writer.commit({});
  expect(Buffer.concat(stored).equals(Buffer.concat(chunks))).toBe(true);
});

test("write() that the store refuses says why, and those behind it fail as well", async () => {
  const stored: Buffer[] = [];
  // The first message opens the stream.
  await using client = daemonWith(stored, 4);
  await using writer = await openRemoteWriter(client, "ref-1", {});
  const chunk = Buffer.alloc(1.5 * MIB);
  const outcomes = await Promise.allSettled([writer.write(chunk), writer.write(chunk), writer.write(chunk)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(outcomes[1]).toMatchObject({ reason: { code: "resource_exhausted" } });
  expect(writer.offset).toBe(BigInt(chunk.byteLength));
});

test("commit() goes to where what was written ahead ends", async () => {
  const stored: Buffer[] = [];
  await using client = daemonWith(stored);
  await using writer = await openRemoteWriter(client, "ref-1", {});
  const writing = writer.write(Buffer.alloc(2 * MIB));
  await writer.commit({});
  await writing;
  expect(Buffer.concat(stored).byteLength).toBe(2 * MIB);
});
