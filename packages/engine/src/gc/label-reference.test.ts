import { expect, test } from "bun:test";
import { labelReferences, parseDuration } from "./label-reference.ts";
import { parseTime } from "./time.ts";

const namesOf = (labels: Record<string, string>) => labelReferences(labels).map(({ kind, node }) => [kind, node]);

test.each([
  ["ref.content", "forward", "content v"],
  ["ref.content.l.0", "forward", "content v"],
  ["ref.content/x", "forward", "content v"],
  ["ref.image.i", "forward", "images v"],
  ["ref.snapshot.overlayfs", "forward", "snapshots/overlayfs v"],
  ["ref.snapshot.overlayfs/x.y", "forward", "snapshots/overlayfs v"],
  ["bref.container", "back", "containers v"],
  ["bref.content.p", "back", "content v"],
  ["bref.image/p", "back", "images v"],
  ["bref.snapshot.native", "back", "snapshots/native v"],
])("labelReferences() reads gc.%s", (name, kind, node) => {
  expect(namesOf({ [`containerd.io/gc.${name}`]: "v" })).toEqual([[kind, node]]);
});

test.each(["ref.contentfoo", "ref.container", "ref.snapshots.x", "ref.", "root", "cond.value-usedat", "bref.stream"])(
  "labelReferences() passes over gc.%s",
  (name) => {
    expect(namesOf({ [`containerd.io/gc.${name}`]: "v" })).toEqual([]);
  },
);

test("labelReferences() reads conditions, and passes over those it does not know", () => {
  const label = "containerd.io/gc.cond.snapshot.native/x";
  const references = labelReferences({ [label]: "usedat<1h,usedat<=1h,usedat>x,other<1h,usedat>2h|a|b" });
  expect(references.map(({ kind, node }) => [kind, node])).toEqual([
    ["condition", "snapshots/native a|b"],
    ["condition", "snapshots/native a|b"],
  ]);
  const hour = 3600n * 1_000_000_000n;
  const holds = (age: bigint) =>
    references.map((reference) => reference.kind === "condition" && reference.holds(100n * hour - age, 100n * hour));
  expect([holds(0n), holds(hour), holds(3n * hour)]).toEqual([
    [true, false],
    [false, false],
    [false, true],
  ]);
});

test.each([
  ["24h", 86_400_000_000_000n],
  ["1h30m", 5_400_000_000_000n],
  ["-1.5s", -1_500_000_000n],
  ["0", 0n],
  ["10", undefined],
  ["h", undefined],
  ["1d", undefined],
  ["", undefined],
])("parseDuration(%j)", (text, nanos) => {
  expect(parseDuration(text)).toBe(nanos);
});

test.each([
  ["1970-01-01T00:00:01Z", 1_000_000_000n],
  ["1970-01-01T00:00:01.5Z", 1_500_000_000n],
  ["1970-01-01T01:00:00.000000001+01:00", 1n],
  ["1970-01-01", undefined],
  ["1970-13-01T00:00:00Z", undefined],
  ["soon", undefined],
])("parseTime(%j)", (text, nanos) => {
  expect(parseTime(text)).toBe(nanos);
});
