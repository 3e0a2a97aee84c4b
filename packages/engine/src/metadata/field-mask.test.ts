import { expect, test } from "bun:test";
import { readMask, updateLabels, withKey } from "./field-mask.ts";

test("readMask() tells fields from keys of maps, whose dots are theirs", () => {
  const rules = { fields: ["target", "labels"], maps: ["labels"], of: "image" } as const;
  expect(readMask(["target", "labels", "labels.a.b/c"], rules)).toEqual([
    { kind: "field", field: "target" },
    { kind: "field", field: "labels" },
    { kind: "key", field: "labels", key: "a.b/c" },
  ]);
});

test.each(["name", "labelsx", "target.digest", ""])("readMask() refuses the path %j", (path) => {
  expect(() => readMask([path], { fields: ["target"], maps: ["labels"], of: "image" })).toThrow(
    `cannot update ${JSON.stringify(path)} field on image`,
  );
});

test("withKey() drops a key that is given empty or not at all", () => {
  expect(withKey({ a: "1", b: "2" }, { a: "3" }, "a")).toEqual({ b: "2", a: "3" });
  expect(withKey({ a: "1", b: "2" }, { a: "" }, "a")).toEqual({ b: "2" });
  expect(withKey({ a: "1", b: "2" }, {}, "a")).toEqual({ b: "2" });
});

test("updateLabels() replaces all labels without a mask, and those named with one", () => {
  const change = (paths: readonly string[]) => updateLabels({ a: "1", b: "2" }, { b: "3", c: "4" }, { paths, of: "x" });
  expect(change([])).toEqual({ b: "3", c: "4" });
  expect(change(["labels"])).toEqual({ b: "3", c: "4" });
  expect(change(["labels.b"])).toEqual({ a: "1", b: "3" });
});
