import { expect, test } from "bun:test";
import { ContainerdError } from "@ctr/api";
import fc from "fast-check";
import { formatReference, parseReference, referenceHost, referencePath, splitObject } from "./reference.ts";

const hex = "a".repeat(64);

test.each([
  ["docker.io/library/alpine:latest", "docker.io/library/alpine", "latest"],
  ["localhost:5000/a/b:v1", "localhost:5000/a/b", "v1"],
  ["a.example/b", "a.example/b", ""],
  ["alpine", "alpine", ""],
  [`a/b@sha256:${hex}`, "a/b", `@sha256:${hex}`],
  [`a/b:v1@sha256:${hex}`, "a/b", `v1@sha256:${hex}`],
  ["a//b/./c:v1", "a/b/c", "v1"],
  ["a/../../b:v1", "a/b", "v1"],
  ["[::1]:5000/b:v1", "[::1]:5000/b", "v1"],
])("parseReference(%p) is %p and %p", (text, locator, object) => {
  expect(parseReference(text)).toEqual({ locator, object });
});

test.each([
  ["", "hostname required"],
  ["/a/b:v1", "hostname required"],
  ["https://a/b:v1", "invalid reference"],
  ["alpine:latest", `invalid port ":latest" after host`],
  ["a/b:v\u0001", "invalid control character in URL"],
  ["a/%zz:v1", `invalid URL escape "%zz"`],
  ["a b/c:v1", "invalid character in host name"],
])("parseReference(%p) throws: %s", (text, message) => {
  expect(() => parseReference(text)).toThrow(message);
});

test.each(["me:pw@host:1/a/b:1", "https://me:pw@host/a:1", "tok@host/a"])(
  "R1: parseReference() refuses %s, whose password would be an image's name, and does not show it",
  (text) => {
    const parse = () => parseReference(text);
    expect(parse).toThrow("it holds a user or password before its host");
    expect(parse).not.toThrow(/pw|tok/);
  },
);

test("a reference has host, path, tag and digest", () => {
  const reference = parseReference(`localhost:5000/a/b:v1@sha256:${hex}`);
  expect(referenceHost(reference)).toBe("localhost:5000");
  expect(referencePath(reference)).toBe("a/b");
  expect(splitObject(reference.object)).toEqual({ tag: "v1", digest: `sha256:${hex}` });
});

test("formatReference() undoes parseReference(), which throws one class of error", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl().map((url) => url.replace(/^\w+:\/\//, "")),
      ),
      (text) => {
        // An escape is decoded once, so what it hid may mean more the second time.
        fc.pre(!text.includes("%"));
        try {
          const once = parseReference(text);
          // `host:object` is read back as host and port: without a path there is no way to write it.
          fc.pre(referencePath(once) !== "" || once.object === "");
          expect(parseReference(formatReference(once))).toEqual(once);
        } catch (error) {
          if (!(error instanceof ContainerdError)) throw error;
          expect(error.code).toBe("invalid_argument");
        }
      },
    ),
  );
});
