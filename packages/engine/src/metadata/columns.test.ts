import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyFromColumn, anyToColumn, extensionsFromColumn, extensionsToColumn } from "./any-column.ts";
import { labelsFromColumn, labelsToColumn } from "./labels.ts";

const text = fc.string({ unit: "binary" }).map((string) => string.toWellFormed());
const any = fc.record({ typeUrl: text, value: fc.uint8Array().map((bytes) => Uint8Array.from(bytes)) });

test("anyFromColumn() gives back what anyToColumn() was given", () => {
  fc.assert(fc.property(any, (value) => expect(anyFromColumn(anyToColumn(value))).toEqual(value)));
  expect(anyFromColumn(anyToColumn(undefined))).toBeUndefined();
});

test("extensionsFromColumn() gives back what extensionsToColumn() was given, whatever the keys", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, any)), (entries) => {
      const extensions = Object.fromEntries([["__proto__", { typeUrl: "t", value: new Uint8Array(1) }], ...entries]);
      expect(Object.entries(extensionsFromColumn(extensionsToColumn(extensions)))).toEqual(Object.entries(extensions));
    }),
  );
});

test("labelsFromColumn() gives back what labelsToColumn() was given, without the empty ones", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text)), (entries) => {
      const labels = Object.fromEntries(entries);
      const kept = Object.entries(labels).filter(([, value]) => value !== "");
      expect(Object.entries(labelsFromColumn(labelsToColumn(labels)))).toEqual(kept);
    }),
  );
});

test.each([
  ["a".repeat(96), "b".repeat(4000), true],
  ["a".repeat(96), "b".repeat(4001), false],
  ["ä".repeat(48), "b".repeat(4000), true],
  ["ä".repeat(48), "b".repeat(4001), false],
])("labelsToColumn() counts bytes of key and value together (%#)", (key, value, isFine) => {
  const write = () => labelsToColumn({ [key]: value });
  if (isFine) expect(write).not.toThrow();
  else expect(write).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
