import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { encodeAny, errorFromStatus, eventsTtrpcV1 } from "@ctr/api";
import { ConnectError, connectTtrpc, createClient } from "@ctr/rpc";
import { openTestStore } from "../testing/test-store.ts";
import { openEventsEndpoint } from "./events-endpoint.ts";
import { eventsSocket } from "./task-paths.ts";

const { signal } = new AbortController();
const exitedAt = { seconds: 1_700_000_000n, nanos: 7 };

function envelope(topic = "/tasks/exit", pid = 42) {
  const exit = { containerId: "c", id: "c", pid, exitStatus: 3, exitedAt };
  return { timestamp: exitedAt, namespace: "default", topic, event: encodeAny("containerd.events.TaskExit", exit) };
}

async function connectAsShim(path: string) {
  const channel = await connectTtrpc({ path, signal, errorFrom: errorFromStatus });
  return {
    forward: (message: ReturnType<typeof envelope>) =>
      createClient(eventsTtrpcV1.EventsDefinition, channel).forward({ envelope: message }, { signal }),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

test("an exit that is told of twice is in the journal and the task's row once", async () => {
  using store = openTestStore();
  store.db.write((tx) => tx.run("INSERT INTO tasks (namespace, id, pid, created_at) VALUES ('default', 'c', 42, 1)"));
  await using _endpoint = await openEventsEndpoint(store, { signal });
  await using shim = await connectAsShim(eventsSocket(store));
  await shim.forward(envelope());
  await shim.forward(envelope());
  expect(store.db.read((tx) => tx.all("SELECT namespace, topic FROM events"))).toEqual([
    { namespace: "default", topic: "/tasks/exit" },
  ]);
  expect(store.db.read((tx) => tx.get("SELECT exit_status, exited_at FROM tasks"))).toEqual({
    exit_status: 3n,
    exited_at: 1_700_000_000_000_000_007n,
  });
});

test("the exit of an earlier task of the same id changes no row", async () => {
  using store = openTestStore();
  store.db.write((tx) => tx.run("INSERT INTO tasks (namespace, id, pid, created_at) VALUES ('default', 'c', 43, 1)"));
  await using _endpoint = await openEventsEndpoint(store, { signal });
  await using shim = await connectAsShim(eventsSocket(store));
  await shim.forward(envelope());
  expect(store.db.read((tx) => tx.get("SELECT exit_status FROM tasks"))).toEqual({ exit_status: null });
});

test("an event without content or with a bad namespace is refused", async () => {
  using store = openTestStore();
  await using _endpoint = await openEventsEndpoint(store, { signal });
  await using shim = await connectAsShim(eventsSocket(store));
  await expect(shim.forward({ ...envelope(), namespace: "../x" })).rejects.toMatchObject({ code: "invalid_argument" });
  expect(store.db.read((tx) => tx.all("SELECT 1 FROM events"))).toEqual([]);
});

test("one process at a time owns the socket; the next takes over, and between them the path is there and refuses", async () => {
  using store = openTestStore();
  const first = await openEventsEndpoint(store, { signal });
  await using second = await openEventsEndpoint(store, { signal });
  expect([first.isOwner, second.isOwner]).toEqual([true, false]);
  await first[Symbol.asyncDispose]();
  const path = eventsSocket(store);
  expect(existsSync(path)).toBe(true);
  const refused = await connectTtrpc({ path, signal }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConnectError);
  expect(refused).toMatchObject({ errno: "ECONNREFUSED" });
  while (!second.isOwner) await new Promise((resolve) => setTimeout(resolve, 5));
  await using shim = await connectAsShim(path);
  await shim.forward(envelope());
  expect(store.db.read((tx) => tx.all("SELECT topic FROM events"))).toEqual([{ topic: "/tasks/exit" }]);
});

test("told() waits for what is expected of the task, and for nothing of another", async () => {
  using store = openTestStore();
  await using endpoint = await openEventsEndpoint(store, { signal });
  await using shim = await connectAsShim(eventsSocket(store));
  const start = { namespace: "default", topic: "/tasks/start", id: "c" };
  await endpoint.expect(start, async () => undefined);
  await endpoint.told({ namespace: "default", id: "other" });
  await endpoint.told({ namespace: "c", id: "default" });
  let told = false;
  const waiting = endpoint.told(start).then(() => {
    told = true;
  });
  await shim.forward(envelope("/tasks/exit"));
  expect(told).toBe(false);
  await shim.forward(envelope("/tasks/start"));
  await waiting;
  expect(told).toBe(true);
});

test("disposing waits for the event of a call that went well, and not for that of one that failed", async () => {
  using store = openTestStore();
  const endpoint = await openEventsEndpoint(store, { signal });
  await using shim = await connectAsShim(eventsSocket(store));
  const event = { namespace: "default", topic: "/tasks/exit", id: "c" };
  await endpoint.expect(event, async () => undefined);
  await expect(endpoint.expect(event, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  const disposed = endpoint[Symbol.asyncDispose]();
  const began = performance.now();
  // The event comes late, as a shim's may: whatever disposing does at once is done by now.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  await shim.forward(envelope());
  await disposed;
  expect(performance.now() - began).toBeLessThan(400);
  expect(store.db.read((tx) => tx.all("SELECT topic FROM events"))).toEqual([{ topic: "/tasks/exit" }]);
});
