import { expect, test } from "bun:test";
import { ContainerdError } from "./error.ts";

test.each([
  ["a URL", 'image "https://me:pw@host:1/a/b:1": not found', 'image "https://host:1/a/b:1": not found'],
  ["a token in a URL", "get https://pw@host/x", "get https://host/x"],
  ["an address", "dial tcp://me:pw@host:1: refused", "dial tcp://host:1: refused"],
  ["a reference", 'image "me:p@pw@host:1/a:1": not found', 'image "host:1/a:1": not found'],
  ["a tag and digest", "docker.io/library/alpine:3@sha256:abc", "docker.io/library/alpine:3@sha256:abc"],
  ["a short tag and digest", "alpine:3@sha256:abc", "alpine:3@sha256:abc"],
])("ContainerdError shows no user info of %s", (_what, what, shown) => {
  expect(new ContainerdError({ code: "unknown", what }).message).toBe(shown);
  expect(new ContainerdError({ code: "unknown", what: "x", where: { ref: what } }).message).toBe(`x (ref ${shown})`);
});
