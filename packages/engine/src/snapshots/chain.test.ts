import { expect, test } from "bun:test";
import { chownSync, lstatSync, writeFileSync } from "node:fs";
import { isRoot } from "../testing/test-layers.ts";
import { columnOf, leasedScope } from "../testing/test-pull.ts";
import { openTestStore } from "../testing/test-store.ts";
import {
  chainTrees,
  commitLayers,
  committedBelow,
  dropLayers,
  type FilledLayer,
  giveRootOwner,
  type OpenLayer,
  prepareLayers,
} from "./chain.ts";
import { snapshotDriver } from "./drivers.ts";

const { signal } = new AbortController();
const usage = { size: 4096n, inodes: 1n };

function openPlaces() {
  const store = openTestStore();
  const places = { store, scope: leasedScope(store), driver: snapshotDriver(store, "overlayfs") };
  const prepare = (...keys: readonly string[]) =>
    prepareLayers(places, { layers: keys.map((key) => ({ key, labels: { by: "test" } })) }, { signal });
  return { store, places, prepare, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

/** Layers as a chain of these names. */
function chainOf(layers: readonly OpenLayer[], names: readonly string[]): readonly FilledLayer[] {
  return layers.map((layer, at) => {
    const [name = "", parent = ""] = [names[at], names[at - 1]];
    return { ...layer, name, parent, labels: {}, usage };
  });
}

const rows = `SELECT s.kind || ' ' || s.key || ' ' || coalesce(p.key, '-') AS value
  FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent ORDER BY s.key`;
const leased = "SELECT id AS value FROM lease_resources ORDER BY id";

test("layers prepared apart are a chain once they are committed, kept by the lease", async () => {
  using opened = openPlaces();
  const { store, places, prepare } = opened;
  const layers = await prepare("x", "y");
  expect(columnOf(store, rows)).toEqual(["active x -", "active y -"]);
  expect(committedBelow(places, ["a", "b"])).toBe(0);
  await commitLayers(places, chainOf(layers, ["a", "b"]), () => undefined);
  expect(columnOf(store, rows)).toEqual(["committed a -", "committed b a"]);
  expect(columnOf(store, leased)).toEqual(["a", "b"]);
  expect(committedBelow(places, ["a", "b", "c"])).toBe(2);
  expect(chainTrees(places, "b")).toEqual(layers.map(({ tree }) => tree).toReversed());
  expect(chainTrees(places, "")).toEqual([]);
});

test("a layer that someone else has committed meanwhile is dropped, and ours stands on theirs", async () => {
  using opened = openPlaces();
  const { store, places, prepare } = opened;
  const [theirs, ours] = [await prepare("x"), await prepare("y", "z")];
  await commitLayers(places, chainOf(theirs, ["a"]), () => undefined);
  await commitLayers(places, chainOf(ours, ["a", "b"]), () => undefined);
  expect(columnOf(store, rows)).toEqual(["committed a -", "committed b a"]);
  expect(chainTrees(places, "b")[1]).toBe(theirs[0]?.tree ?? "");
});

test("nothing is committed when what goes with it fails", async () => {
  using opened = openPlaces();
  const { store, places, prepare } = opened;
  const layers = await prepare("x");
  const fail = () => {
    throw new Error("no");
  };
  await expect(commitLayers(places, chainOf(layers, ["a"]), fail)).rejects.toThrow("no");
  expect(columnOf(store, rows)).toEqual(["active x -"]);
  dropLayers(places, layers);
  dropLayers(places, layers);
  expect(columnOf(store, rows)).toEqual([]);
});

test("a layer whose parent is gone is not committed", async () => {
  using opened = openPlaces();
  const [layer] = await opened.prepare("x");
  if (layer === undefined) throw new Error("one was asked for");
  const orphan = { ...layer, name: "b", parent: "a", labels: {}, usage };
  await expect(commitLayers(opened.places, [orphan], () => undefined)).rejects.toThrow(
    "parent snapshot a does not exist",
  );
});

test.if(isRoot)("giveRootOwner() gives a layer's root the owner of the one below", async () => {
  using opened = openPlaces();
  const [below, above] = await opened.prepare("x", "y");
  if (below === undefined || above === undefined) throw new Error("two were asked for");
  chownSync(below.tree, 7, 8);
  writeFileSync(`${above.tree}/file`, "");
  giveRootOwner(above.tree, below.tree);
  const { uid, gid } = lstatSync(above.tree);
  expect([uid, gid]).toEqual([7, 8]);
});
