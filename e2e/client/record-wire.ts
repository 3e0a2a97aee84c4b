import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorFromStatus } from "@ctr/api";
import { Client } from "@ctr/client";
import { type Channel, connectH2c, type MethodDefinition } from "@ctr/rpc";
import { mustRun } from "../support/process.ts";
import { openStage, textOf } from "./setup.ts";

/**
 * Records what a real containerd sends: `bun e2e/client/record-wire.ts`, as root, on a machine that has the daemon.
 * Writes packages/api/testdata/wire.json, which packages/api/src/recorded.test.ts decodes.
 */
interface Recorded {
  /** Path of the method that was answered. */
  readonly path: string;
  readonly hex: string;
}

/** Answers of one method that are kept, and the largest one kept, in bytes. */
const KEPT_PER_METHOD = 4;
const MAX_BYTES = 6000;

const out = resolve(import.meta.dir, "../../packages/api/testdata/wire.json");
const { signal } = new AbortController();

const recorded: Recorded[] = [];
await using stage = await openStage("record");
await using channel = await connectH2c({ path: stage.daemon.address, signal, errorFrom: errorFromStatus });
await exercise(new Client(recording(channel), { namespace: stage.client.namespace }));
const daemon = (await mustRun(["containerd", "--version"])).trim();
const text = JSON.stringify({ daemon, recorded }, undefined, 1);
await writeFile(out, `${text}\n`);
process.stdout.write(`${recorded.length} messages of ${new Set(recorded.map(({ path }) => path)).size} methods\n`);

/** The same channel; answers are noted before they are decoded. */
function recording(channel: Channel): Channel {
  const noting = <Req, Res>(path: string, method: MethodDefinition<Req, Res>): MethodDefinition<Req, Res> => ({
    ...method,
    responseType: {
      ...method.responseType,
      decode(bytes) {
        const before = recorded.filter((one) => one.path === path).length;
        if (before < KEPT_PER_METHOD && bytes.byteLength <= MAX_BYTES) {
          recorded.push({ path, hex: Buffer.from(bytes).toString("hex") });
        }
        return method.responseType.decode(bytes);
      },
    },
  });
  return {
    unary: (path, method, request, options) => channel.unary(path, noting(path, method), request, options),
    stream: (path, method, requests, options) => channel.stream(path, noting(path, method), requests, options),
    async [Symbol.asyncDispose]() {},
  };
}

async function exercise(client: Client): Promise<void> {
  const image = stage.busybox;
  const stop = new AbortController();
  const watching = (async () => {
    for await (const { topic } of client.events.subscribe([`namespace==${client.namespace}`], {
      signal: stop.signal,
    })) {
      if (topic === "/containers/delete") return;
    }
  })();
  await client.version();
  await client.health();
  await client.introspection.server();
  await client.introspection.plugins(["type==io.containerd.snapshotter.v1"]);
  await client.namespaces.create("recorded", { made: "by a test" });
  await client.namespaces.setLabels("recorded", { more: "1" });
  await client.namespaces.get("recorded");
  await client.namespaces.list();
  await client.images.pull(image);
  await client.images.setLabels(image, { kind: "test" });
  const { target } = await client.images.get(image);
  await client.images.list();
  await client.content.info(target.digest);
  for await (const _info of client.content.walk());
  for await (const _bytes of client.content.read(target.digest));
  {
    await using lease = await client.leases.hold();
    await using writer = await lease.client.content.writer("recorded", { size: 4n });
    await writer.write(new Uint8Array([1, 2, 3, 4]));
    await client.content.status("recorded");
    await client.content.statuses();
    await client.leases.list();
    await client.leases.resources(lease.id);
  }
  await runSteps(client, image);
  await client.snapshots().usage(await client.images.chainID(image));
  await client.namespaces.delete("recorded");
  await watching;
  stop.abort();
}

async function runSteps(client: Client, image: string): Promise<void> {
  const args = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"];
  const container = await client.containers.createFromImage({ image, id: "recorded", args, labels: { kind: "test" } });
  await client.containers.list();
  await container.setLabels({ more: "1" });
  for await (const _info of client.snapshots().walk(["kind==active"]));
  {
    await using task = await container.createTask({ io: { kind: "null" } });
    await task.start();
    await using further = await task.exec({
      execId: "e1",
      args: ["true"],
      io: { kind: "pipe", fifoDir: stage.fifoDir },
    });
    await further.start();
    await textOf(further.stdout);
    await further.wait();
    await further.delete();
    await client.tasks.list();
    await task.pause();
    await task.resume();
    await client.tasks.listPids("recorded");
    await task.metrics();
    await task.kill("SIGTERM");
    await task.wait();
    await task.delete();
  }
  await container.delete();
}
