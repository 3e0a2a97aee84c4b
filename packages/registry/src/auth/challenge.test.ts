import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseChallenges } from "./challenge.ts";

test.each([
  [
    "a bearer challenge",
    [`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"`],
    [
      [
        "bearer",
        { realm: "https://auth.docker.io/token", service: "registry.docker.io", scope: "repository:a/b:pull" },
      ],
    ],
  ],
  ["blanks and any case", [`bEaReR  Realm = "x" , SERVICE=y`], [["bearer", { realm: "x", service: "y" }]]],
  ["escaped quotes", [String.raw`Basic realm="a \"b\" c"`], [["basic", { realm: `a "b" c` }]]],
  ["a comma in quotes", [`Bearer scope="repository:a:pull,push"`], [["bearer", { scope: "repository:a:pull,push" }]]],
  [
    "bearer before basic",
    ["Basic realm=x", "Bearer realm=y"],
    [
      ["bearer", { realm: "y" }],
      ["basic", { realm: "x" }],
    ],
  ],
  ["nothing of unknown schemes", ["Negotiate", "NTLM abc"], []],
  ["what comes before the rubbish", [`Bearer realm="x", ???`], [["bearer", { realm: "x" }]]],
  ["nothing of an empty field", [""], []],
])("parseChallenges() reads %s", (_what, fields, expected) => {
  expect(parseChallenges(fields).map((one) => [one.scheme, one.parameters])).toEqual(expected as never);
});

test("parseChallenges() never throws, nor takes long", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2000 }), (text) => {
      expect(Array.isArray(parseChallenges([`Bearer ${text}`, text]))).toBe(true);
    }),
  );
});
