import { expect, test } from "bun:test";
import { compactOverlay, isReadOnlyBind, parseMountOptions, readOnlyBindSteps } from "./mount-options.ts";

test.each([
  ["nothing", [], 0, [], []],
  ["a read-only bind", ["rbind", "ro"], 4096 | 16384 | 1, [], []],
  ["a later word over an earlier one", ["ro", "rw"], 0, [], []],
  ["the container's usual words", ["nosuid", "noexec", "nodev"], 2 | 8 | 4, [], []],
  [
    "what the file system takes, in order",
    ["lowerdir=/a:/b", "ro", "index=off"],
    1,
    ["lowerdir=/a:/b", "index=off"],
    [],
  ],
  ["propagation apart", ["rbind", "rslave"], 4096 | 16384, [], [(1 << 19) | 16384]],
  ["words that say nothing", ["defaults", "async"], 0, [], []],
])("parseMountOptions() reads %s", (_what, options, flags, data, propagation) => {
  expect(parseMountOptions(options)).toEqual({ flags, data, propagation });
});

test("a read-only bind takes two steps: the bind, then a remount of it alone", () => {
  const { flags } = parseMountOptions(["rbind", "ro", "nosuid"]);
  expect(isReadOnlyBind(flags)).toBe(true);
  expect(readOnlyBindSteps(flags)).toEqual([4096 | 16384 | 2, 4096 | 32 | 1 | 2]);
  expect(isReadOnlyBind(parseMountOptions(["ro"]).flags)).toBe(false);
});

test.each([
  ["a common directory", "/r/s/1/fs:/r/s/22/fs", { dir: "/r/s", lower: "1/fs:22/fs" }],
  ["one that is a prefix of the names only", "/r/s1/fs:/r/s2/fs", { dir: "/r", lower: "s1/fs:s2/fs" }],
  ["nothing in common", "/a/1:/b/2", undefined],
  ["a lone directory", "/a/1", undefined],
])("compactOverlay() of %s", (_what, lower, expected) => {
  const compact = compactOverlay(["upperdir=/u", `lowerdir=${lower}`]);
  const wanted = expected && { dir: expected.dir, data: ["upperdir=/u", `lowerdir=${expected.lower}`] };
  expect(compact).toEqual(wanted);
});
