import { expect, test } from "bun:test";
import fc from "fast-check";
import { compactGoJson, formatGoJson, RawJson } from "./go-json.ts";

test("formatGoJson() indents as Go does", () => {
  const value = { a: 1, none: undefined, empty: {}, list: [], big: 2n ** 64n - 1n, nested: { html: "<a & b>" } };
  expect(formatGoJson(value, "  ")).toBe(
    '{\n  "a": 1,\n  "empty": {},\n  "list": [],\n  "big": 18446744073709551615,\n  "nested": {\n    "html": "\\u003ca \\u0026 b\\u003e"\n  }\n}',
  );
});

test("compactGoJson() puts all on one line", () => {
  expect(compactGoJson({ container_id: "ev1", pid: 13634, list: ["a", true, null] })).toBe(
    '{"container_id":"ev1","pid":13634,"list":["a",true,null]}',
  );
});

test("RawJson keeps digits that a double would lose, and member order", () => {
  expect(compactGoJson({ spec: new RawJson('{"z": 9223372036854775807, "a": [1.50, "\\u00e9"]}') })).toBe(
    '{"spec":{"z":9223372036854775807,"a":[1.50,"é"]}}',
  );
});

test("RawJson reads what JSON.stringify wrote", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(compactGoJson(new RawJson(JSON.stringify(value))))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("compactGoJson() writes strings that JSON.parse reads back", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => expect(JSON.parse(compactGoJson(text))).toBe(text)));
});
