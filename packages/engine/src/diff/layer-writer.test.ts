import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { measureTree } from "../snapshots/usage.ts";
import { buildLayer, isRoot, type TestMember, temporaryDirectory } from "../testing/test-layers.ts";
import { defaultLimits } from "./apply-limits.ts";
import type { LayerTarget } from "./layer-target.ts";
import { LayerWriter } from "./layer-writer.ts";
import { TarParser } from "./tar-parser.ts";

/** What the writer counted of a layer, and what a walk finds. */
function usagesOf(dir: string, whiteouts: LayerTarget["whiteouts"], members: readonly TestMember[]) {
  using writer = new LayerWriter({ dir, whiteouts, privileged: isRoot }, defaultLimits);
  const parser = new TarParser(writer);
  parser.push(buildLayer(members));
  parser.finish();
  writer.finish();
  return { counted: writer.usage, walked: measureTree(dir) };
}

const value = Buffer.alloc(3000, "v");
const many = Array.from({ length: 500 }, (_, at) => ({ name: `many/${"n".repeat(60)}${at}`, data: "1" }));

test.each<readonly [string, readonly TestMember[]]>([
  ["nothing", []],
  ["files of all sizes", [{ name: "empty" }, { name: "a", data: "x" }, { name: "b", data: "x".repeat(9000) }]],
  ["a directory that grows, and is told of twice", [{ name: "many/" }, ...many, { name: "many/", mode: 0o700 }]],
  ["directories that are only implied", [{ name: "a/b/c/d" }, { name: "a/b/e" }]],
  [
    "names that share a file, and names of links",
    [
      { name: "a", data: "x" },
      { name: "b", linkName: "a", typeFlag: "1" },
      { name: "c", linkName: "/".repeat(90), typeFlag: "2" },
      { name: "d", linkName: "c", typeFlag: "1" },
      { name: "pipe", typeFlag: "6" },
    ],
  ],
])("a writer counts the room of its layer as a walk does: %s", (_what, members) => {
  using temporary = temporaryDirectory();
  const { counted, walked } = usagesOf(temporary.dir, "delete", members);
  expect(counted).toEqual(walked);
});

test.if(isRoot)("a writer counts whiteouts, and blocks that extended attributes take", () => {
  using temporary = temporaryDirectory();
  const { counted, walked } = usagesOf(temporary.dir, "overlay", [
    { name: "a", data: "x", xattrs: [{ name: "user.big", value }] },
    { name: "d/", xattrs: [{ name: "user.big", value }] },
    { name: "d/.wh.gone" },
    { name: "d/.wh..wh..opq" },
  ]);
  expect(counted).toEqual(walked);
});

test("a writer does not know the room of a tree that something was taken from, or was in before", () => {
  using replaced = temporaryDirectory();
  expect(usagesOf(replaced.dir, "delete", [{ name: "a" }, { name: "a", data: "x" }]).counted).toBeUndefined();
  using removed = temporaryDirectory();
  expect(usagesOf(removed.dir, "delete", [{ name: "a" }, { name: ".wh.a" }]).counted).toBeUndefined();
  using begun = temporaryDirectory();
  mkdirSync(`${begun.dir}/old`);
  expect(usagesOf(begun.dir, "delete", [{ name: "a" }]).counted).toBeUndefined();
});
