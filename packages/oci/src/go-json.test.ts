import { expect, test } from "bun:test";
import fc from "fast-check";
import { compareUtf8, goJsonText, goMap } from "./go-json.ts";

test("goJsonText() escapes as Go's json.Marshal", () => {
  expect(goJsonText('<a href="x">&\u2028\u2029\b\f\n\r\t\u0001\u007f\\b')).toBe(
    `${String.raw`"\u003ca href=\"x\"\u003e\u0026\u2028\u2029\u0008\u000c\n\r\t\u0001`}\u007f${String.raw`\\b"`}`,
  );
});

test("goJsonText() writes members in the order given, leaves out undefined, and all digits of a bigint", () => {
  expect(goJsonText({ b: 1n << 60n, a: undefined, c: [true, null, 1.5] })).toBe(
    `{"b":1152921504606846976,"c":[true,null,1.5]}`,
  );
});

test("goMap() sorts by UTF-8 bytes, and is nothing when empty", () => {
  expect(Object.keys(goMap({ "\u{1F600}": "", "\uFFFD": "", b: "", a: "" }) ?? {})).toEqual([
    "a",
    "b",
    "\uFFFD",
    "\u{1F600}",
  ]);
  expect(goMap({})).toBeUndefined();
});

test("goJsonText() reads back as what was written", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(JSON.parse(goJsonText({ [text]: text }))).toEqual({ [text]: text });
    }),
  );
});

test("compareUtf8() agrees with Buffer.compare", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});
