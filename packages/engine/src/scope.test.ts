import { expect, test } from "bun:test";
import { checkIdentifier, scopeOf } from "./scope.ts";

const { signal } = new AbortController();

test("scopeOf() reads namespace and lease; an empty lease is none", () => {
  const metadata = { "containerd-namespace": "ns", "containerd-lease": "any lease" };
  expect(scopeOf({ signal, metadata })).toEqual({ namespace: "ns", lease: "any lease" });
  expect(scopeOf({ signal, metadata: { ...metadata, "containerd-lease": "" } }).lease).toBeUndefined();
});

test.each([{}, { "containerd-namespace": "" }])("scopeOf() needs a namespace: %j", (metadata) => {
  expect(() => scopeOf({ signal, metadata })).toThrow("namespace is required");
});

test.each(["a", "a.b_c-d", "0", "a".repeat(76)])("checkIdentifier() takes %s", (text) => {
  expect(checkIdentifier(text, "id")).toBe(text);
});

test.each(["", "a".repeat(77), "-a", "a-", "a..b", "a b", "a/b", "é", "a\n"])(
  "checkIdentifier() refuses %j",
  (text) => {
    expect(() => checkIdentifier(text, "id")).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  },
);
