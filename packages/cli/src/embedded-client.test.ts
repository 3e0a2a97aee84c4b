import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@ctr/client";
import { openEngine } from "@ctr/engine";
import { digestOf } from "@ctr/oci";
import type { EmbeddedEngine } from "./connect.ts";
import { embeddedClient } from "./embedded-client.ts";

const signal = AbortSignal.timeout(60_000);

/** All that may be answered without a call. */
const questions: readonly (readonly [string, (client: Client) => Promise<unknown>])[] = [
  ["containers", (client) => client.containers.summaries([], { signal })],
  [
    "content",
    async (client) => {
      const rows = (await Array.fromAsync(client.content.summaries([], { signal }))).flat();
      return rows.map(({ digest, size, createdAt, labels }) => ({ digest, size, createdAt, labels }));
    },
  ],
  [
    "documents",
    async (client) => {
      const [there, gone] = ["{}", "gone"].map((text) => digestOf(new TextEncoder().encode(text)));
      const found = there && gone && (await client.content.documents([there, gone], { signal }));
      return (
        found && new Map([...found].map(([digest, is]) => [digest, is instanceof Uint8Array ? is : String(is.fault)]))
      );
    },
  ],
  ["images", (client) => client.images.summaries([], { signal })],
  ["leases", (client) => client.leases.list([], { signal })],
  ["namespaces", (client) => client.namespaces.list({ signal })],
  ["snapshots", async (client) => (await Array.fromAsync(client.snapshots("native").summaries([], { signal }))).flat()],
  ["uuid", (client) => client.introspection.uuid({ signal })],
  ["version", (client) => client.version({ signal })],
];

async function openFilled(): Promise<{ readonly engine: EmbeddedEngine } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "ctr-near-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const engine = stack.use(openEngine({ root: join(dir, "root"), stateParent: join(dir, "run") }));
  const client = new Client(engine.channel, { namespace: "full" });
  await client.namespaces.create("labelled", { key: "value" });
  await client.leases.create({ id: "lease", labels: { a: "1", b: "2" } });
  const leased = client.withLease("lease");
  const bytes = new TextEncoder().encode("{}");
  const digest = digestOf(bytes);
  await using writer = await leased.content.writer("ref");
  await writer.write(bytes);
  await writer.commit({ expected: digest, labels: { of: "a blob" } }, { signal });
  const annotations = { note: "x" };
  for (const name of ["docker.io/library/b:1", "docker.io/library/a:1"]) {
    const target = {
      mediaType: "application/json",
      digest,
      size: 2n,
      ...(name.includes("a:1") ? { annotations } : {}),
    };
    await leased.images.create({ name, target, labels: { of: name } });
  }
  const snapshots = leased.snapshots("native");
  await snapshots.prepare("active", "");
  await snapshots.commit("base", "active");
  await snapshots.view("view", "base");
  const spec = { ociVersion: "1.0.2" };
  await leased.containers.create({ id: "one", runtime: { name: "io.containerd.runc.v2" }, spec, image: "an image" });
  await leased.containers.create({ id: "another", runtime: { name: "r" }, spec });
  await client.introspection.uuid();
  const all = stack.move();
  return { engine, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const unreachable: EmbeddedEngine["channel"] = {
  unary: () => Promise.reject(new Error("a call was made")),
  // biome-ignore lint/correctness/useYield: it fails before it could.
  async *stream() {
    throw new Error("a call was made");
  },
  async [Symbol.asyncDispose]() {},
};

test.each(["full", "empty"])(
  "what is read without a call is what the services answer, in a namespace that is %s",
  async (name) => {
    await using opened = await openFilled();
    const far = new Client(opened.engine.channel, { namespace: name });
    const near = embeddedClient({ ...opened.engine, channel: unreachable }, "other").withNamespace(name);
    for (const [, ask] of questions) expect(await ask(near)).toEqual(await ask(far));
  },
);

test("what a command begins with is read without a call, as the services answer it", async () => {
  await using opened = await openFilled();
  const far = new Client(opened.engine.channel, { namespace: "full" });
  const near = embeddedClient({ ...opened.engine, channel: unreachable }, "full");
  expect(await near.namespaces.get("labelled")).toEqual(await far.namespaces.get("labelled"));
  const name = "docker.io/library/a:1";
  expect(await near.images.get(name)).toEqual(await far.images.get(name));
  const [one, other] = [await near.containers.get("one"), await far.containers.get("one")];
  for (const key of ["id", "image", "labels", "runtime", "spec", "rawSpec", "createdAt", "updatedAt"] as const)
    expect(one[key]).toEqual(other[key]);
});

test("what cannot be read without a call is called for", async () => {
  await using opened = await openFilled();
  const near = embeddedClient(opened.engine, "full");
  expect(await near.images.list(["name==docker.io/library/a:1"])).toMatchObject([{ name: "docker.io/library/a:1" }]);
  expect(await near.containers.summaries(["id==one"])).toMatchObject([{ id: "one" }]);
  await expect(Array.fromAsync(near.snapshots("nothing").summaries())).rejects.toThrow(
    "snapshotter not loaded: nothing",
  );
  await expect(near.images.list(["=="])).rejects.toThrow("parse error");
  await expect(near.images.list([], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
  expect(await near.namespaces.get("unknown")).toEqual({ name: "unknown", labels: {} });
  await expect(near.images.get("unknown")).rejects.toMatchObject({ code: "not_found" });
  await expect(near.containers.get("unknown")).rejects.toMatchObject({ code: "not_found" });
});

test("a namespace that cannot be is refused as the services refuse it", async () => {
  await using opened = await openFilled();
  const [far, near] = [
    new Client(opened.engine.channel, { namespace: "no/name" }),
    embeddedClient(opened.engine, "no/name"),
  ];
  for (const [name, ask] of questions) {
    // Three need no namespace, and a document's error is part of the answer.
    if (["documents", "namespaces", "uuid", "version"].includes(name)) continue;
    const told = await ask(far).then(
      () => "nothing",
      (error: unknown) => String(error),
    );
    expect(told).toContain("no/name");
    await expect(ask(near)).rejects.toThrow(told.slice(told.indexOf(": ") + 2));
  }
});
