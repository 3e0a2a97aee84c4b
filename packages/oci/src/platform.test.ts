import { expect, test } from "bun:test";
import { armVariant, formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from "./platform.ts";

const host = hostPlatform();

test.each([
  ["linux/amd64", "linux/amd64"],
  ["linux/x86_64", "linux/amd64"],
  ["linux/amd64/v1", "linux/amd64"],
  ["linux/amd64/v3", "linux/amd64/v3"],
  ["linux/aarch64", "linux/arm64"],
  ["linux/arm64/v8", "linux/arm64/v8"],
  ["linux/arm64/9", "linux/arm64/v9"],
  ["linux/arm", "linux/arm"],
  ["linux/arm/v7", "linux/arm/v7"],
  ["linux/arm/6", "linux/arm/v6"],
  ["linux/armel", "linux/arm/v6"],
  ["Linux/ARMHF", "linux/arm"],
  ["linux/i386", "linux/386"],
  ["macos/arm64", "darwin/arm64"],
  ["arm64", `${host.os}/arm64`],
  ["s390x", `${host.os}/s390x`],
  ["linux", `linux/${host.architecture}`],
  ["windows", `windows/${host.architecture}`],
])("parsePlatform(%p) is %s", (text, expected) => {
  expect(formatPlatform(parsePlatform(text))).toBe(expected);
});

test("parsePlatform() reads an OS version with features", () => {
  expect(parsePlatform("windows(10.0.17763+win32k)/amd64")).toEqual({
    os: "windows",
    architecture: "amd64",
    osVersion: "10.0.17763",
    osFeatures: ["win32k"],
  });
});

test.each([
  ["*", "wildcards not yet supported"],
  ["linux/&", "is an invalid component of"],
  ["", "is an invalid component of"],
  ["linux/a/b/c", "cannot parse platform specifier"],
  ["bogus", "unknown operating system or architecture"],
])("parsePlatform(%p) throws: %s", (text, message) => {
  expect(() => parsePlatform(text)).toThrow(message);
  expect(() => parsePlatform(text)).toThrow(/: invalid argument$/);
});

test("normalizePlatform() adds arm's v7 and drops arm64's v8", () => {
  expect(normalizePlatform({ os: "linux", architecture: "arm" }).variant).toBe("v7");
  expect("variant" in normalizePlatform({ os: "linux", architecture: "arm64", variant: "v8" })).toBe(false);
});

test.each([
  ["CPU architecture: 7\nmodel name\t: ARMv7 Processor", "arm", "v7"],
  ["CPU architecture: 7\nmodel name\t: ARMv6-compatible processor", "arm", "v6"],
  ["CPU architecture: 8", "arm64", "v8"],
  ["CPU architecture\t: AArch64", "arm64", "v8"],
  ["CPU architecture: 5TEJ", "arm", "v5"],
  ["", "arm64", "v8"],
])("armVariant(%p) on %s is %s", (cpuinfo, architecture, variant) => {
  expect(armVariant(cpuinfo, architecture)).toBe(variant);
});
