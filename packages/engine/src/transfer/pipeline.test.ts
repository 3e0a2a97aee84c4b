import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { buildLayer, isRoot, type TestMember } from "../testing/test-layers.ts";
import {
  columnOf,
  describeChain,
  leasedScope,
  matcher,
  openTestSource,
  pullInOrder,
  pullInto,
  type TestSource,
} from "../testing/test-pull.ts";
import { openTestStore } from "../testing/test-store.ts";
import { pullThroughPipeline } from "./pipeline.ts";

const hardLink = (name: string, linkName: string): TestMember => ({ name, linkName, typeFlag: "1" });
const big = "x".repeat(3_000_000);
const snapshotKinds = "SELECT kind || ' ' || key AS value FROM snapshots ORDER BY id";

/** Both ways of pulling, each into a store of its own; their trees, or what they failed with. */
async function bothWays(layers: readonly Uint8Array[]): Promise<readonly [unknown, unknown]> {
  await using source = await openTestSource(layers);
  const outcome = async (pull: typeof pullInOrder) => {
    using store = openTestStore();
    try {
      await pull(store, source);
      return describeChain(store, source.image.chainID);
    } catch (error) {
      // With several layers at fault, either way may meet another one first.
      return String(error).slice(0, "ContainerdError: failed to extract layer".length);
    }
  };
  return [await outcome(pullInOrder), await outcome(async (store, from) => void (await pullInto(store, from)))];
}

async function expectSame(layers: readonly Uint8Array[]): Promise<unknown> {
  const [inOrder, apart] = await bothWays(layers);
  expect(apart).toEqual(inOrder);
  return apart;
}

test.if(isRoot)("the pipeline unpacks what the layers hold, and labels what it made", async () => {
  await using source = await openTestSource([
    buildLayer([
      { name: "etc/", mode: 0o750 },
      { name: "etc/a", data: big },
    ]),
    buildLayer([{ name: "etc/b", data: "2" }]),
  ]);
  using store = openTestStore();
  const events: string[] = [];
  const { unpacked } = await pullInto(store, source, { onLayer: ({ kind }) => events.push(kind) });
  expect(unpacked).toMatchObject([{ chainID: `${source.image.chainID}`, applied: true }]);
  expect(events.toSorted()).toEqual(["extracted", "extracted", "extracting", "extracting"]);
  const [top, base] = describeChain(store, source.image.chainID);
  expect(Object.keys(base ?? {})).toEqual(["etc", "etc/a", ""]);
  // The layer says nothing of etc, so it is as the layer below has it.
  expect(top?.["etc"]).toStartWith("4:750 ");
  expect(columnOf(store, "SELECT kind AS value FROM snapshots")).toEqual(["committed", "committed"]);
  const labels = columnOf(store, "SELECT labels AS value FROM blobs").join("\n");
  for (const diffID of source.image.diffIDs) expect(labels).toContain(`"containerd.io/uncompressed":"${diffID}"`);
  expect(labels).toContain(`"containerd.io/gc.ref.snapshot.overlayfs":"${source.image.chainID}"`);
});

test.if(isRoot).each<readonly [string, readonly (readonly TestMember[])[]]>([
  ["a hard link to a layer below", [[{ name: "a/f", data: "1" }], [hardLink("b", "a/f")], [{ name: "c" }]]],
  ["a hard link to nothing", [[{ name: "a" }], [hardLink("b", "nowhere/f")]]],
  ["a hard link to what the layer removes", [[{ name: "a" }], [{ name: ".wh.a" }, hardLink("b", "a")]]],
  ["a whiteout, and the name again above it", [[{ name: "a/f" }], [{ name: "a/.wh.f" }], [{ name: "a/f", data: "3" }]]],
  [
    "an opaque directory",
    [
      [{ name: "a/f" }, { name: "a/g" }],
      [{ name: "a/.wh..wh..opq" }, { name: "a/h" }],
    ],
  ],
  [
    "a directory where a link is below",
    [[{ name: "r/" }, { name: "l", linkName: "r", typeFlag: "2" }], [{ name: "l/f" }]],
  ],
  [
    "a directory that is only implied, twice",
    [[{ name: "a/b/", mode: 0o2711 }], [{ name: "a/b/f" }], [{ name: "a/b/g" }]],
  ],
  ["a whiteout in the base", [[{ name: "a" }, { name: ".wh.a" }, { name: "b" }], [{ name: "c" }]]],
  [
    "a directory that was implied, and gave way to a link",
    [
      [
        { name: "t/a/", mode: 0o700 },
        { name: "b/a/", mode: 0o711 },
      ],
      [{ name: "b/a/.wh.x" }, { name: "t/a/", mode: 0o750 }, { name: "b", linkName: "t", typeFlag: "2" }],
    ],
  ],
  ["the same layer twice", [[{ name: "a/f" }], [{ name: "b" }], [{ name: "a/f" }]]],
])("layers unpacked apart are the trees of layers unpacked in order: %s", async (_what, layers) => {
  await expectSame(layers.map(buildLayer));
});

const name = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const member: fc.Arbitrary<TestMember> = fc.oneof(
  fc.record({ name, data: fc.constantFrom("", "1", "22"), mode: fc.constantFrom(0o644, 0o4755) }),
  fc.record({ name: name.map((path) => `${path}/`), mode: fc.constantFrom(0o755, 0o2711), uid: fc.constantFrom(0, 7) }),
  fc.record({ name, linkName: fc.constantFrom("a", "../b", "/c"), typeFlag: fc.constant("2" as const) }),
  fc.record({ name, linkName: name, typeFlag: fc.constant("1" as const) }),
  fc.record({ name: name.map((path) => path.replace(/[^/]+$/, (base) => `.wh.${base}`)) }),
  fc.record({ name: name.map((path) => path.replace(/[^/]+$/, ".wh..wh..opq")) }),
);
const stack = fc.array(fc.array(member, { maxLength: 6 }), { minLength: 1, maxLength: 4 });

test.if(isRoot)(
  "any stack of layers unpacked apart is the trees, or the error, of the stack unpacked in order",
  async () => {
    const numRuns = process.env["CTR_TEST_LONG"] === undefined ? 15 : 500;
    await fc.assert(
      fc.asyncProperty(stack, async (layers) => {
        await expectSame(layers.map(buildLayer));
      }),
      { numRuns },
    );
  },
  120_000,
);

test.if(isRoot)("what a pull wrote is waited for when all of it is written, and its rows not before", async () => {
  await using source = await openTestSource([buildLayer([{ name: "a", data: big }]), buildLayer([{ name: "b" }])]);
  using store = openTestStore();
  const calls: string[] = [];
  const { db } = store;
  for (const name of ["write", "writeUnsynced", "sync"] as const) {
    const call = db[name].bind(db) as (...args: never[]) => unknown;
    Object.assign(db, {
      [name]: (...args: never[]) => {
        calls.push(name);
        return call(...args);
      },
    });
  }
  await pullInto(store, source);
  const atEnd = calls.indexOf("sync");
  expect(calls.slice(atEnd)).toEqual(["sync"]);
  // The lease of the test itself.
  expect(calls.slice(0, atEnd).filter((name) => name === "write")).toEqual(["write"]);
});

test.if(isRoot)("layers that are there are not applied again", async () => {
  const base = buildLayer([{ name: "a", data: big }]);
  await using first = await openTestSource([base]);
  await using second = await openTestSource([base, buildLayer([{ name: "b" }])]);
  using store = openTestStore();
  await pullInto(store, first);
  const events: string[] = [];
  await pullInto(store, second, { onLayer: ({ kind, chainID }) => events.push(`${kind} ${chainID}`) });
  const { chainID } = second.image;
  expect(events.toSorted()).toEqual([`exists ${first.image.chainID}`, `extracted ${chainID}`, `extracting ${chainID}`]);
  const again = await pullInto(store, second);
  expect(again.unpacked).toMatchObject([{ chainID: `${chainID}`, applied: false }]);
});

test.if(isRoot)("a layer that is no tar ends the pull with its name, and leaves no extraction snapshot", async () => {
  const layers = [buildLayer([{ name: "a" }]), Buffer.from("no tar ".repeat(500)), buildLayer([{ name: "c" }])];
  await using source = await openTestSource(layers);
  using store = openTestStore();
  await expect(pullInto(store, source)).rejects.toThrow(`failed to extract layer ${source.image.diffIDs[1]}`);
  expect(columnOf(store, snapshotKinds).filter((line) => !line.startsWith("committed"))).toEqual([]);
});

test.if(isRoot)("a registry that lies ends the pull, and nothing of the layer is committed", async () => {
  await using source = await openTestSource([buildLayer([{ name: "a", data: big }])]);
  const [layer] = source.image.layers;
  const wrong = Buffer.from(buildLayer([{ name: "b", data: big }]));
  source.registry.fault = (request, response) => {
    if (!request.path.endsWith(`/blobs/${layer?.digest}`)) return false;
    response.writeHead(200, { "Content-Length": String(wrong.byteLength) }).end(wrong);
    return true;
  };
  using store = openTestStore();
  await expect(pullInto(store, source)).rejects.toMatchObject({ code: "failed_precondition" });
  expect(columnOf(store, snapshotKinds)).toEqual([]);
  expect(columnOf(store, "SELECT digest AS value FROM blobs")).not.toContain(layer?.digest ?? "");
});

/** A source whose first layer stops after `bytes` bytes; `stopped` resolves once they were sent. */
function stopMidway(source: TestSource, bytes: number): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  const [layer] = source.image.layers;
  const whole = source.image.blobs.get(layer?.digest ?? source.image.config.digest) ?? new Uint8Array();
  source.registry.fault = (request, response) => {
    if (!request.path.endsWith(`/blobs/${layer?.digest}`)) return false;
    response.writeHead(200, { "Content-Length": String(whole.byteLength) });
    response.write(whole.subarray(0, bytes), () => stopped.resolve());
    return true;
  };
  return stopped.promise;
}

test.if(isRoot)(
  "a pull that is cancelled midway keeps its ingest and no snapshot, and the next one goes on from there",
  async () => {
    await using source = await openTestSource([buildLayer([{ name: "a", data: big }]), buildLayer([{ name: "b" }])]);
    using store = openTestStore();
    const stopped = stopMidway(source, 1_000_000);
    const stop = new AbortController();
    const pull = pullThroughPipeline(
      { ...source, store, scope: leasedScope(store) },
      {
        signal: stop.signal,
        matcher,
        unpacks: [{ snapshotter: "overlayfs", matcher }],
        onProgress: (event) => {
          if (event.kind === "transferring" && event.offset >= 1_000_000n) stop.abort(new Error("enough"));
        },
      },
    );
    await expect(pull).rejects.toThrow("enough");
    await stopped;
    expect(columnOf(store, snapshotKinds).filter((line) => !line.startsWith("committed"))).toEqual([]);
    const digest = source.image.layers[0]?.digest ?? "";
    expect(columnOf(store, "SELECT ref AS value FROM ingests")).toContain(`layer-${digest}`);

    source.registry.fault = () => false;
    source.registry.seen.splice(0);
    await pullInto(store, source);
    const asked = source.registry.seen.filter(({ path }) => path.endsWith(`/blobs/${digest}`));
    expect(asked.map(({ headers }) => headers["range"])).toEqual([expect.stringMatching(/^bytes=\d{6,}-$/)]);
    expect(describeChain(store, source.image.chainID)).toHaveLength(2);
  },
);

test.if(isRoot)("an ingest of wrong bytes is begun anew, and what was unpacked of it with it", async () => {
  await using source = await openTestSource([buildLayer([{ name: "a", data: big }]), buildLayer([{ name: "b" }])]);
  using store = openTestStore();
  const [layer] = source.image.layers;
  if (layer === undefined) throw new Error("the image has layers");
  const { EngineContent } = await import("../content/store.ts");
  const { signal } = new AbortController();
  {
    const content = new EngineContent(store, leasedScope(store));
    await using writer = await content.writer(`layer-${layer.digest}`, { signal, expected: layer.digest });
    await writer.write(buildLayer([{ name: "evil", data: big }]).subarray(0, 2_000_000), { signal });
  }
  await pullInto(store, source);
  const base = describeChain(store, source.image.chainID).at(-1);
  expect(Object.keys(base ?? {})).toEqual(["a", ""]);
});

test.if(isRoot)("two pulls of one image at once both succeed", async () => {
  await using source = await openTestSource([buildLayer([{ name: "a", data: big }]), buildLayer([{ name: "b" }])]);
  using store = openTestStore();
  await Promise.all([pullInto(store, source), pullInto(store, source)]);
  expect(columnOf(store, "SELECT kind AS value FROM snapshots")).toEqual(["committed", "committed"]);
});

test("on the native snapshotter layers are unpacked in order", async () => {
  await using source = await openTestSource([
    buildLayer([{ name: "a", data: "1" }, { name: "b" }]),
    buildLayer([{ name: ".wh.b" }, hardLink("c", "a")]),
  ]);
  using store = openTestStore();
  await pullInto(store, source, { snapshotter: "native" });
  const ids = columnOf(store, "SELECT CAST(id AS TEXT) AS value FROM snapshots ORDER BY id");
  const top = `${store.root}/io.containerd.snapshotter.v1.native/snapshots/${ids.at(-1)}`;
  expect(readFileSync(`${top}/c`, "utf8")).toBe("1");
  expect(existsSync(`${top}/b`)).toBe(false);
});
