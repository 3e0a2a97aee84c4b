import { afterAll, beforeAll, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { contentV1, errorFromStatus, eventsV1, namespacesV1, versionV1 } from "@ctr/api";
import { type Channel, connectH2c, createClient } from "@ctr/rpc";
import { type PrivateContainerd, startContainerd } from "../support/containerd.ts";
import { mustRun } from "../support/process.ts";

const { signal } = new AbortController();
const metadata = { "containerd-namespace": "rpc-e2e" };
let daemon: PrivateContainerd;
let channel: Channel;

beforeAll(async () => {
  daemon = await startContainerd();
  channel = await connectH2c({ path: daemon.address, signal, errorFrom: errorFromStatus });
  await createClient(namespacesV1.NamespacesDefinition, channel).create(
    { namespace: { name: "rpc-e2e", labels: { from: "test" } } },
    { signal, metadata },
  );
});

afterAll(async () => {
  await channel?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
});

/** Megabytes of one stress run: `npm test` does a twentieth of what `npm run test:long` does. */
const STRESS_MEGABYTES = "500";
const STRESS_RUNS = process.env["CTR_TEST_LONG"] === "1" ? 20 : 1;

test("unary calls reach a real containerd", async () => {
  const version = await createClient(versionV1.VersionDefinition, channel).version({}, { signal });
  expect(version.version).toStartWith("1.6.");
});

test("five hundred calls at once on one connection are all answered", async () => {
  const client = createClient(namespacesV1.NamespacesDefinition, channel);
  const answers = await Promise.all(
    Array.from({ length: 500 }, () => client.get({ name: "rpc-e2e" }, { signal, metadata })),
  );
  expect(answers.every((answer) => answer.namespace?.labels["from"] === "test")).toBe(true);
});

test("a daemon's error comes with its code and its words", async () => {
  const client = createClient(contentV1.ContentDefinition, channel);
  const digest = `sha256:${"0".repeat(64)}`;
  await expect(client.info({ digest }, { signal, metadata })).rejects.toMatchObject({
    code: "not_found",
    message: `content digest ${digest}: not found`,
  });
});

test("a subscription gives what happens after it began, and ends when its loop is left", async () => {
  const events = createClient(eventsV1.EventsDefinition, channel);
  const namespaces = createClient(namespacesV1.NamespacesDefinition, channel);
  const names = ["rpc-event-a", "rpc-event-b"];
  const seen: string[] = [];
  const subscription = events.subscribe({ filters: [`topic~=/namespaces/`] }, { signal })[Symbol.asyncIterator]();
  const first = subscription.next();
  // The daemon sends nothing when a subscription begins, so something must happen until it has begun.
  let begun = false;
  void first.then(() => {
    begun = true;
  });
  for (let i = 0; !begun; i++) {
    await namespaces.update({ namespace: { name: "rpc-e2e", labels: { i: String(i) } } }, { signal, metadata });
  }
  for (const name of names) await namespaces.create({ namespace: { name } }, { signal, metadata });
  while (seen.length < names.length) {
    const { value } = await subscription.next();
    if (value?.topic === "/namespaces/create") seen.push(value.topic);
  }
  await subscription.return?.();
  expect(seen).toEqual(["/namespaces/create", "/namespaces/create"]);
});

test("a blob goes in and comes out the same", async () => {
  const client = createClient(contentV1.ContentDefinition, channel);
  const blob = crypto.getRandomValues(new Uint8Array(60_000));
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(blob).digest("hex")}`;
  const total = BigInt(blob.byteLength);
  async function* write() {
    yield { action: contentV1.WriteAction.WRITE, ref: "in-and-out", data: blob };
    yield { action: contentV1.WriteAction.COMMIT, ref: "in-and-out", offset: total, total, expected: digest };
  }
  for await (const _response of client.write(write(), { signal, metadata }));
  const parts: Uint8Array[] = [];
  for await (const { data } of client.read({ digest }, { signal, metadata })) parts.push(data);
  expect(Buffer.concat(parts).equals(blob)).toBe(true);
});

test("a killed daemon fails a call under way as unavailable", async () => {
  await using own = await startContainerd();
  await using lost = await connectH2c({ path: own.address, signal, errorFrom: errorFromStatus });
  const subscription = createClient(eventsV1.EventsDefinition, lost).subscribe({}, { signal })[Symbol.asyncIterator]();
  const next = subscription.next().catch((error: unknown) => error);
  await createClient(versionV1.VersionDefinition, lost).version({}, { signal });
  await own.kill("SIGKILL");
  expect(await next).toMatchObject({ code: "unavailable" });
}, 30_000);

test.each([
  ["Bun", [process.execPath, join(import.meta.dir, "stress.ts")]],
  ["Node", ["node", "STRESS_BUNDLE"]],
] as const)(
  "Content.Write of 4 KiB to 4 MiB messages, eight streams at once, never stalls on %s",
  async (_runtime, argv) => {
    const bundle = join(daemon.dir, "stress.mjs");
    const script = join(import.meta.dir, "stress.ts");
    await mustRun([process.execPath, "build", "--target", "node", script, "--outfile", bundle]);
    const command = argv.map((word) => (word === "STRESS_BUNDLE" ? bundle : word));
    for (let i = 0; i < STRESS_RUNS; i++) {
      const line = await mustRun([...command, daemon.address, STRESS_MEGABYTES], { timeoutMs: 120_000 });
      expect(line).toContain(`${STRESS_MEGABYTES} MiB in 40 blobs`);
    }
    await rm(bundle);
  },
  STRESS_RUNS * 120_000,
);
