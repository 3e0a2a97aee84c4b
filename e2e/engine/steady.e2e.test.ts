import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Client, connect } from "@ctr/client";
import { ourCtr } from "../support/binaries.ts";
import type { PrivateContainerd } from "../support/containerd.ts";
import { startServe } from "../support/engine.ts";
import { archiveOf, busyboxLayout } from "../support/images.ts";
import { mustRun } from "../support/process.ts";

/** A daemon that many ask at once, and that some leave without a word. */
const image = "docker.io/library/busybox:latest";
let daemon: PrivateContainerd;
let client: Client;

beforeAll(async () => {
  daemon = await startServe();
  const archive = join(daemon.dir, "busybox.tar");
  await archiveOf(await busyboxLayout(), archive);
  const globals = ["--address", daemon.address];
  await mustRun([ourCtr, ...globals, "images", "import", "--base-name", "docker.io/library/busybox", archive]);
  client = await connect({ address: daemon.address });
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
});

test("R3: a hundred containers created at once each have their own environment, and no other's", async () => {
  const ids = Array.from({ length: 100 }, (_, n) => `env${n}`);
  const created = await Promise.all(
    ids.map((id) => client.containers.createFromImage({ image, id, args: ["true"], env: [`OWN=${id}`] })),
  );
  const stored = await client.containers.list();
  for (const { id, spec } of [...created, ...stored]) {
    expect(spec?.process?.env?.filter((entry) => entry.startsWith("OWN="))).toEqual([`OWN=${id}`]);
  }
  for (const container of created) await container.delete();
});

const descriptors = async (pid: number) => (await readdir(`/proc/${pid}/fd`)).length;

/** Resolves once the daemon has let go of what its clients held: their ends reach it in their own time. */
async function back(pid: number, to: number): Promise<void> {
  while ((await descriptors(pid)) > to) await new Promise((resolve) => setImmediate(resolve));
}

/** Follows events until one came: a visitor may be gone before the daemon has begun to look out for any. */
async function hear(): Promise<void> {
  const events = client.events.subscribe()[Symbol.asyncIterator]();
  let heard = false;
  const first = events.next().then(() => {
    heard = true;
  });
  for (let n = 0; !heard; n++) await client.namespaces.create(`heard-${n}`);
  await first;
  await events.return?.();
}

/** A client that waits for a task and for events, and is gone in the middle of it. */
async function visit(id: string): Promise<void> {
  const visitor = await connect({ address: daemon.address });
  const open = Promise.allSettled([visitor.tasks.wait(id), visitor.events.subscribe()[Symbol.asyncIterator]().next()]);
  await visitor.tasks.get(id);
  await visitor[Symbol.asyncDispose]();
  expect((await open).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
}

test("R8: 10,000 resizes and 1,000 clients that vanish leave no descriptor", async () => {
  const io = { kind: "terminal", fifoDir: daemon.dir } as const;
  const container = await client.containers.createFromImage({
    image,
    id: "steady",
    args: ["sleep", "1000"],
    terminal: true,
  });
  await using task = await container.createTask({ io, afterDispose: () => container.delete() });
  await task.start();
  const shimPid = Number(/^PPid:\s+(\d+)/m.exec(await Bun.file(`/proc/${task.pid}/status`).text())?.[1]);
  // What a daemon opens once, for the first who asks, is no leak.
  await hear();
  await visit("steady");
  const before = { daemon: await descriptors(daemon.pid), shim: await descriptors(shimPid) };
  for (let n = 0; n < 10_000; n++) await task.resize({ width: 80 + (n % 40), height: 24 });
  for (let n = 0; n < 1000; n++) await visit("steady");
  await back(daemon.pid, before.daemon);
  await back(shimPid, before.shim);
});
