import { expect, test } from "bun:test";
import fc from "fast-check";
import { digestAlgorithm, digestHex, digestOf, isDigest, parseDigest } from "./digest.ts";

const hex = "0123456789abcdef".repeat(4);

test("parseDigest() takes what openDigester() makes", () => {
  const digest = digestOf(new TextEncoder().encode("x"));
  expect(parseDigest(digest)).toBe(digest);
  expect([digestAlgorithm(digest), digestHex(digest).length]).toEqual(["sha256", 64]);
});

test.each([
  ["nothing", ""],
  ["a path for a digest", "../../../etc/passwd"],
  ["a path for the hex", `sha256:${"../".repeat(21)}a`],
  ["a path after the hex", `sha256:${hex}/../../x`],
  ["a path before it", `../sha256:${hex}`],
  ["upper-case hex", `sha256:${hex.toUpperCase()}`],
  ["a line behind it", `sha256:${hex}\n`],
  ["a NUL behind it", `sha256:${hex}\0`],
  ["another algorithm", `md5:${hex.slice(0, 32)}`],
  ["an algorithm that is a member of every object", `constructor:${hex}`],
  ["too few digits", `sha256:${hex.slice(1)}`],
  ["digits for another algorithm", `sha512:${hex}`],
])("R24: parseDigest() refuses %s", (_what, text) => {
  expect(() => parseDigest(text)).toThrow(/^cannot read digest/);
  expect(isDigest(text)).toBe(false);
});

test("R24: a digest is a name in one directory, whatever it was made of", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ maxLength: 70 }).map((end) => `sha256:${end}`),
  );
  fc.assert(
    fc.property(text, (any) => {
      if (isDigest(any)) expect(any).toMatch(/^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/);
    }),
  );
});
