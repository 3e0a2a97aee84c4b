import { expect, test } from "bun:test";
import { checkImageName, familiarDockerName, normalizeDockerName } from "./docker-reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

test.each([
  ["alpine", "docker.io/library/alpine:latest", "alpine:latest"],
  ["alpine:3", "docker.io/library/alpine:3", "alpine:3"],
  ["me/app", "docker.io/me/app:latest", "me/app:latest"],
  ["index.docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"],
  ["docker.io/a/b/c:1", "docker.io/a/b/c:1", "a/b/c:1"],
  ["localhost/app", "localhost/app:latest", "localhost/app:latest"],
  ["a.example:5000/x:v", "a.example:5000/x:v", "a.example:5000/x:v"],
  [`alpine:3@${digest}`, `docker.io/library/alpine@${digest}`, `alpine@${digest}`],
  ["import-2026-11-23:busybox", "docker.io/library/import-2026-11-23:busybox", "import-2026-11-23:busybox"],
])("%p is %p in full and %p among friends", (text, full, familiar) => {
  expect(normalizeDockerName(text)).toBe(full);
  expect(familiarDockerName(full)).toBe(familiar);
});

test.each([
  ["a capital in the repository", "me/App", "repository name must be lowercase"],
  ["a blank", "a b", "invalid reference format"],
  ["64 hex digits", "a".repeat(64), "cannot specify 64-byte hexadecimal strings"],
  ["a name that is too long", `a.example/${"a".repeat(256)}`, "must not be more than 255 characters"],
  ["a tag that is too long", `alpine:${"a".repeat(129)}`, "invalid reference format"],
  ["a digest that is too short", "alpine@sha256:abc", "invalid reference format"],
  ["a component that begins with a dot", "me/.app", "invalid reference format"],
  ["nothing", "", "invalid reference format"],
])("normalizeDockerName() refuses %s", (_why, text, message) => {
  expect(() => normalizeDockerName(text)).toThrow(message);
});

test("checkImageName() speaks as `images tag` does", () => {
  expect(() => checkImageName("BAD TAG")).toThrow(
    /^error parsing reference: "BAD TAG" is not a valid repository\/tag: invalid reference format/,
  );
  checkImageName("docker.io/library/alpine:1");
});
