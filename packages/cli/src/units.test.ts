import { expect, test } from "bun:test";
import { formatGoDuration, parseGoDuration } from "./go-duration.ts";
import { ageOf, formatAge, formatGoTime, formatIec, formatRfc3339Nano, formatSi } from "./units.ts";

test.each([
  [0n, "0.0 B"],
  [90n, "90.0 B"],
  [1023n, "1023.0 B"],
  [1024n, "1.0 KiB"],
  [1048576n, "1.0 MiB"],
  [7033404n, "6.7 MiB"],
])("formatIec(%p) is %s", (bytes, text) => {
  expect(formatIec(bytes)).toBe(text);
});

test.each([
  [0n, "0B"],
  [349n, "349B"],
  [9_999n, "9.999kB"],
  [1000n, "1kB"],
  [1088000n, "1.088MB"],
  [6002082n, "6.002MB"],
  [586n, "586B"],
  [12345n, "12.35kB"],
  [999999n, "1000kB"],
  [999960n, "1000kB"],
])("formatSi(%p) is %s", (bytes, text) => {
  expect(formatSi(bytes)).toBe(text);
});

test.each([
  [0, "Less than a second"],
  [1, "1 second"],
  [59, "59 seconds"],
  [60, "About a minute"],
  [119, "About a minute"],
  [120, "2 minutes"],
  [3600, "About an hour"],
  [5400, "2 hours"],
  [47 * 3600, "47 hours"],
  [48 * 3600, "2 days"],
  [14 * 86400, "2 weeks"],
  [60 * 86400, "2 months"],
  [730 * 86400, "2 years"],
])("formatAge() of %p seconds is %s", (seconds, text) => {
  expect(formatAge(seconds * 1000)).toBe(text);
});

test.each([
  ["a nanosecond short of a second", { seconds: 9n, nanos: 500_000_001 }, "Less than a second"],
  ["a second to the nanosecond", { seconds: 9n, nanos: 500_000_000 }, "1 second"],
  ["a time to come", { seconds: 11n, nanos: 0 }, "Less than a second"],
  ["a time before 1970", { seconds: -90_000n, nanos: 999_999_999 }, "25 hours"],
  ["no time", undefined, "-"],
])("ageOf() of %s", (_what, time, text) => {
  expect(ageOf(time, { seconds: 10n, nanos: 500_000_000 })).toBe(text);
});

test.each([
  ["0", 0n],
  ["90s", 90_000_000_000n],
  ["1h30m", 5_400_000_000_000n],
  ["1.5s", 1_500_000_000n],
  ["-2ms", -2_000_000n],
  ["1µs", 1_000n],
  ["5", undefined],
  ["", undefined],
  ["1x", undefined],
  [".s", undefined],
])("parseGoDuration(%p) is %p", (text, nanos) => {
  expect(parseGoDuration(text)).toBe(nanos);
});

test.each([
  [0n, "0s"],
  [1n, "1ns"],
  [1_500n, "1.5µs"],
  [103_623_609n, "103.623609ms"],
  [1_000_000_000n, "1s"],
  [86_400_000_000_000n, "24h0m0s"],
  [90_500_000_000n, "1m30.5s"],
])("formatGoDuration(%p) is %s", (nanos, text) => {
  expect(formatGoDuration(nanos)).toBe(text);
});

test("formatGoTime() drops trailing zeros of the fraction", () => {
  expect(formatGoTime({ seconds: 1795456971n, nanos: 627489000 })).toBe("2026-11-23 18:02:51.627489 +0000 UTC");
  expect(formatGoTime({ seconds: 1795456971n, nanos: 0 })).toBe("2026-11-23 18:02:51 +0000 UTC");
  expect(formatGoTime(undefined)).toBe("0001-01-01 00:00:00 +0000 UTC");
});

test("formatRfc3339Nano() keeps nanoseconds", () => {
  expect(formatRfc3339Nano({ seconds: 1795456971n, nanos: 1 })).toBe("2026-11-23T18:02:51.000000001Z");
});
