import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatPlatform, type Platform, parsePlatform } from "./platform.ts";
import {
  anyPlatform,
  onlyPlatform,
  onlyStrictPlatform,
  orderedPlatforms,
  type PlatformMatcher,
} from "./platform-match.ts";

const all = "amd64 amd64/v2 amd64/v3 386 arm/v5 arm/v6 arm arm/v8 arm64 arm64/v8.5 arm64/v9 s390x"
  .split(" ")
  .map((text) => parsePlatform(`linux/${text}`));

function pick(matcher: PlatformMatcher): readonly string[] {
  return all
    .filter((one) => matcher.matches(one))
    .toSorted((a, b) => matcher.compare(a, b))
    .map((one) => formatPlatform(one).slice(6));
}

test.each([
  ["amd64", ["amd64", "386"]],
  ["amd64/v3", ["amd64/v3", "amd64/v2", "amd64", "386"]],
  ["arm64", ["arm64", "arm/v8", "arm", "arm/v6", "arm/v5"]],
  ["arm64/v9", ["arm64/v9", "arm64/v8.5", "arm64", "arm/v8", "arm", "arm/v6", "arm/v5"]],
  ["arm/v6", ["arm/v6", "arm/v5"]],
  ["s390x", ["s390x"]],
])("onlyPlatform(linux/%s) takes %p, in this order", (text, expected) => {
  expect(pick(onlyPlatform(parsePlatform(`linux/${text}`)))).toEqual(expected);
});

test("onlyStrictPlatform() takes nothing else", () => {
  expect(pick(onlyStrictPlatform(parsePlatform("linux/arm64")))).toEqual(["arm64"]);
});

test("orderedPlatforms() prefers in order, anyPlatform() not at all", () => {
  const wanted = ["s390x", "amd64"].map((text) => parsePlatform(`linux/${text}`));
  expect(pick(orderedPlatforms(wanted))).toEqual(["s390x", "amd64"]);
  expect(pick(anyPlatform(wanted))).toEqual(["amd64", "s390x"]);
});

test("a Windows build decides, where both name one", () => {
  const windows = (osVersion: string): Platform => ({ os: "windows", architecture: "amd64", osVersion });
  const matcher = onlyPlatform(windows("10.0.17763.1"));
  expect([windows("10.0.17763.99"), windows("10.0.20348.1"), windows("")].map(matcher.matches)).toEqual([
    true,
    false,
    true,
  ]);
});

test("a candidate may not need features that are not wanted, and more of the wanted ones fit better", () => {
  const linux = (...osFeatures: string[]): Platform => ({ os: "linux", architecture: "s390x", osFeatures });
  const matcher = onlyPlatform(linux("a", "b"));
  expect([linux("a"), linux("a", "c")].map(matcher.matches)).toEqual([true, false]);
  expect(matcher.compare(linux("a", "b"), linux("a"))).toBeLessThan(0);
});

test("compare() orders any platforms the same way both ways round", () => {
  const platform = fc.constantFrom(...all);
  fc.assert(
    fc.property(platform, platform, platform, (wanted, a, b) => {
      const matcher = onlyPlatform(wanted);
      expect(Math.sign(matcher.compare(a, b)) + Math.sign(matcher.compare(b, a))).toBe(0);
    }),
  );
});
