import { expect, test } from "bun:test";
import { dirname } from "node:path";
import { decodeAnyAs, encodeAny, type eventTypes } from "@ctr/api";
import type { Store } from "../store/store.ts";
import { openTestStore } from "../testing/test-store.ts";
import { followJournal } from "./follow.ts";
import { publish, trimJournal } from "./journal.ts";

function tell(store: Store, containerId: string, once?: string): boolean {
  const event = encodeAny("containerd.events.TaskOOM", { containerId });
  const entry = { namespace: "ns", topic: "/tasks/oom", event, ...(once === undefined ? {} : { once }) };
  return store.db.write((tx) => publish(store, tx, entry));
}

/** Ids of the next `count` events; then the following is ended. */
async function idsOf(events: AsyncIterable<eventTypes.Envelope>, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { event } of events) {
    ids.push(decodeAnyAs(event, "containerd.events.TaskOOM")?.containerId ?? "");
    if (ids.length === count) break;
  }
  return ids;
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`);

test("followJournal() gives what comes after the call, in order", async () => {
  using store = openTestStore();
  const { signal } = new AbortController();
  tell(store, "before");
  const events = followJournal(store, { signal });
  for (const id of numbered(3)) tell(store, id);
  expect(await idsOf(events, 3)).toEqual(numbered(3));
});

test("followJournal() begins after the last event, also when that was trimmed", async () => {
  using store = openTestStore();
  const { signal } = new AbortController();
  tell(store, "before");
  store.db.write((tx) => tx.run("DELETE FROM events"));
  const events = followJournal(store, { signal });
  tell(store, "after");
  expect(await idsOf(events, 1)).toEqual(["after"]);
});

test("followJournal() loses and repeats nothing that other processes write, to any of several followers", async () => {
  using store = openTestStore();
  const { signal } = new AbortController();
  const followers = [1, 2, 3].map(() => idsOf(followJournal(store, { signal }), 400));
  const source = `
    import { encodeAny } from ${JSON.stringify(import.meta.resolve("@ctr/api"))};
    import { openStore } from ${JSON.stringify(import.meta.resolve("../store/store.ts"))};
    import { publish } from ${JSON.stringify(import.meta.resolve("./journal.ts"))};
    const [root, stateParent, name] = process.argv.slice(-3);
    using store = openStore(root, { stateParent });
    for (let index = 0; index < 200; index++) {
      const event = encodeAny("containerd.events.TaskOOM", { containerId: name + index });
      store.db.write((tx) => publish(store, tx, { namespace: "ns", topic: "/tasks/oom", event }));
    }`;
  const spawn = (name: string) =>
    Bun.spawn([process.execPath, "-e", source, store.root, dirname(store.state), name], { stderr: "inherit" }).exited;
  expect(await Promise.all([spawn("a"), spawn("b")])).toEqual([0, 0]);
  for (const seen of await Promise.all(followers)) {
    const of = (name: string) => seen.filter((id) => id.startsWith(name));
    const wanted = (name: string) => Array.from({ length: 200 }, (_, index) => `${name}${index}`);
    expect(of("a")).toEqual(wanted("a"));
    expect(of("b")).toEqual(wanted("b"));
  }
}, 20_000);

test("followJournal() ends with its signal while it waits", async () => {
  using store = openTestStore();
  const end = new AbortController();
  const all = idsOf(followJournal(store, { signal: end.signal }), 2);
  tell(store, "one");
  end.abort();
  expect((await all).length).toBeLessThanOrEqual(1);
});

test("publish() writes an event with the same `once` a single time", () => {
  using store = openTestStore();
  expect([tell(store, "c", "exit c"), tell(store, "c", "exit c"), tell(store, "d", "exit d")]).toEqual([
    true,
    false,
    true,
  ]);
});

test("publish() writes nothing when its transaction fails", () => {
  using store = openTestStore();
  const event = encodeAny("containerd.events.TaskOOM", { containerId: "c" });
  const fail = () =>
    store.db.write((tx) => {
      publish(store, tx, { namespace: "ns", topic: "/t", event });
      throw new Error("on purpose");
    });
  expect(fail).toThrow("on purpose");
  expect(store.db.read((tx) => tx.all("SELECT 1 FROM events"))).toEqual([]);
});

test("trimJournal() deletes what is too old by the time it was written, and what is too much", () => {
  const clock = { time: 1_700_000_000n * 1_000_000_000n, now: () => clock.time };
  using store = openTestStore({ clock });
  const left = () => store.db.read((tx) => tx.all("SELECT 1 FROM events")).length;
  // Told of late: it happened long ago.
  const event = encodeAny("containerd.events.TaskOOM", { containerId: "old" });
  store.db.write((tx) => publish(store, tx, { namespace: "ns", topic: "/t", event, time: 0n }));
  store.db.write((tx) => trimJournal(tx, clock.now()));
  expect(left()).toBe(1);
  clock.time += 25n * 3600n * 1_000_000_000n;
  tell(store, "new");
  store.db.write((tx) => trimJournal(tx, clock.now()));
  expect(left()).toBe(1);
  store.db.write((tx) => {
    for (let count = 0; count < 50_100; count++) {
      const sql =
        "INSERT INTO events (time, added_at, namespace, topic, type_url, value) VALUES (?, ?, 'ns', '/t', 'u', x'')";
      tx.run(sql, clock.time, clock.time);
    }
    trimJournal(tx, clock.now());
  });
  expect(left()).toBe(50_000);
});
