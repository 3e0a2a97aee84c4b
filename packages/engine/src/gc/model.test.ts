import { expect, test } from "bun:test";
import fc from "fast-check";
import { labelsToColumn } from "../metadata/labels.ts";
import type { WriteTx } from "../store/database.ts";
import { openTestStore } from "../testing/test-store.ts";
import { loadGraph } from "./load.ts";
import { sweepRows } from "./sweep.ts";

/** A record as the test thinks of it: what it keeps, in keys of other records. */
interface Thing {
  readonly key: string;
  /** Kept whatever: the parent, the target. */
  readonly own: readonly string[];
  readonly refs: readonly string[];
  /** Records that keep this one. */
  readonly backRefs: readonly string[];
  readonly root: boolean;
}

interface Lease {
  readonly state: "valid" | "flat" | "expired";
  readonly holds: readonly string[];
}

interface World {
  readonly things: readonly Thing[];
  readonly leases: readonly Lease[];
}

const COUNT = 5;
const numbers = Array.from({ length: COUNT }, (_, index) => index);
const contents = numbers.map((index) => `content ${digest(index)}`);
const snapshots = numbers.map((index) => `snapshots/native s${index}`);
const images = numbers.map((index) => `images i${index}`);
const all = [...contents, ...snapshots, ...images];

function digest(index: number): string {
  return `sha256:${String(index).repeat(64)}`;
}

/** Some of `keys`, and now and then one that is not there. */
const some = (keys: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...keys, "images gone"), { maxLength });

const things = fc.tuple(
  ...all.map((key) =>
    fc.record({
      key: fc.constant(key),
      exists: fc.boolean(),
      own: key.startsWith("images") ? some(contents, 1) : fc.constant([]),
      parent: fc.nat(COUNT),
      refs: some(all, 2),
      backRefs: some([...contents, ...snapshots, ...images], 1),
      root: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
    }),
  ),
);

const worlds: fc.Arbitrary<World> = fc
  .record({
    things,
    leases: fc.array(fc.record({ state: fc.constantFrom("valid", "flat", "expired"), holds: some(all, 2) }), {
      maxLength: 2,
    }),
  })
  .map((world) => {
    const present = world.things.filter(({ exists }) => exists).map(({ key }) => key);
    const made = world.things
      .filter(({ exists }) => exists)
      .map(({ key, own, parent, refs, backRefs, root }): Thing => {
        const above = snapshots[parent];
        // A parent is older, so that there is no cycle; a target is always named.
        const hasParent = above !== undefined && above < key && present.includes(above);
        if (key.startsWith("snapshots/")) return { key, own: hasParent ? [above] : [], refs, backRefs, root };
        if (key.startsWith("images"))
          return { key, own: own.length > 0 ? own : contents.slice(0, 1), refs, backRefs, root };
        return { key, own: [], refs, backRefs, root };
      });
    return { things: made, leases: world.leases };
  });

/** Who lives, found by asking again and again until nothing changes. */
function living({ things, leases }: World): ReadonlySet<string> {
  const known = new Map(things.map((thing) => [thing.key, thing]));
  const full = new Set(things.filter(({ root }) => root).map(({ key }) => key));
  const flat = new Set<string>();
  for (const { state, holds } of leases) {
    if (state === "expired") continue;
    for (const key of holds) if (known.has(key)) (state === "flat" ? flat : full).add(key);
  }
  for (let before = -1; before !== full.size + flat.size; ) {
    before = full.size + flat.size;
    for (const { key, own, refs, backRefs } of things) {
      if (full.has(key)) for (const to of [...own, ...refs]) if (known.has(to)) full.add(to);
      if (flat.has(key)) for (const to of own) if (known.has(to)) flat.add(to);
      if (backRefs.some((parent) => full.has(parent))) full.add(key);
    }
  }
  return new Set([...full, ...flat]);
}

function labelsOf({ refs, backRefs, root, key }: Thing): Record<string, string> {
  const labels: Record<string, string> = {};
  const name = (kind: string, to: string, index: number) => {
    const [type = "", id = ""] = to.split(" ");
    const word = type === "content" ? "content" : type === "images" ? "image" : "snapshot.native";
    const mark = word.startsWith("snapshot") ? "/" : ".";
    labels[`containerd.io/gc.${kind}.${word}${mark}${index}`] = id;
  };
  refs.forEach((to, index) => {
    name("ref", to, index);
  });
  backRefs.forEach((to, index) => {
    name("bref", to, index);
  });
  if (root && !key.startsWith("images")) labels["containerd.io/gc.root"] = "1";
  // Images are roots, unless their time has passed.
  if (!root && key.startsWith("images")) labels["containerd.io/gc.expire"] = "2001-01-01T00:00:00Z";
  return labels;
}

function write(tx: WriteTx, namespace: string, world: World): void {
  tx.run("INSERT INTO namespaces (name) VALUES (?)", namespace);
  for (const thing of world.things) {
    const [type = "", id = ""] = thing.key.split(" ");
    const labels = labelsToColumn(labelsOf(thing));
    if (type === "content") {
      const sql =
        "INSERT INTO blobs (namespace, digest, size, labels, created_at, updated_at) VALUES (?, ?, 1, ?, 0, 0)";
      tx.run(sql, namespace, id, labels);
    } else if (type === "images") {
      const sql = `INSERT INTO images (namespace, name, media_type, digest, size, labels, created_at, updated_at)
        VALUES (?, ?, 'x', ?, 1, ?, 0, 0)`;
      tx.run(sql, namespace, id, thing.own[0]?.split(" ")[1] ?? "", labels);
    } else {
      const sql = `INSERT INTO snapshots (namespace, snapshotter, key, kind, parent, labels, created_at, updated_at)
        VALUES (?1, 'native', ?2, 'committed', (SELECT id FROM snapshots WHERE namespace = ?1 AND key = ?3), ?4, 0, 0)`;
      tx.run(sql, namespace, id, thing.own[0]?.split(" ")[1] ?? "", labels);
    }
  }
  world.leases.forEach(({ state, holds }, index) => {
    const expiry = { "containerd.io/gc.expire": state === "expired" ? "2001-01-01T00:00:00Z" : "2999-01-01T00:00:00Z" };
    const labels = labelsToColumn(state === "flat" ? { "containerd.io/gc.flat": "1" } : expiry);
    const id = `l${index}`;
    tx.run("INSERT INTO leases (namespace, id, labels, created_at) VALUES (?, ?, ?, 0)", namespace, id, labels);
    for (const key of holds) {
      const [type = "", name = ""] = key.split(" ");
      const sql = "INSERT OR IGNORE INTO lease_resources (namespace, lease, type, id) VALUES (?, ?, ?, ?)";
      tx.run(sql, namespace, id, type, name);
    }
  });
}

test("sweepRows() leaves what a naive model calls alive, in any graph", () => {
  using store = openTestStore();
  let count = 0;
  fc.assert(
    fc.property(worlds, (world) => {
      const namespace = `n${++count}`;
      store.db.write((tx) => write(tx, namespace, world));
      store.db.write((tx) => sweepRows(store, tx));
      const left = store.db.read((tx) => loadGraph(tx, namespace, store.clock.now()));
      const records = [...left.nodes.keys()].filter((key) => !key.startsWith("leases "));
      expect(records.toSorted()).toEqual([...living(world)].toSorted());
      const leases = [...left.nodes.keys()].filter((key) => key.startsWith("leases "));
      expect(leases).toHaveLength(world.leases.filter(({ state }) => state !== "expired").length);
      // A second collection finds nothing.
      expect(store.db.write((tx) => sweepRows(store, tx))).toBe(0);
      store.db.write((tx) => {
        for (const table of ["images", "blobs", "leases", "snapshots"]) tx.run(`DELETE FROM ${table}`);
        tx.run("DELETE FROM namespaces");
      });
    }),
    { numRuns: 200 },
  );
});

test("loadGraph() asks the database as often for many records as for few", () => {
  using store = openTestStore();
  const queries = (count: number): number => {
    const namespace = `many-${count}`;
    store.db.write((tx) => {
      tx.run("INSERT INTO namespaces (name) VALUES (?)", namespace);
      const sql = "INSERT INTO blobs (namespace, digest, size, created_at, updated_at) VALUES (?, ?, 1, 0, 0)";
      for (let index = 0; index < count; index++) tx.run(sql, namespace, `sha256:${index}`);
    });
    return store.db.read((tx) => {
      let calls = 0;
      const all: typeof tx.all = (sql, ...values) => {
        calls++;
        return tx.all(sql, ...values);
      };
      const graph = loadGraph({ all, get: () => expect.unreachable("a query for one record") }, namespace, 0n);
      expect(graph.nodes.size).toBe(count);
      return calls;
    });
  };
  expect(queries(500)).toBe(queries(5));
});
