import { expect, test } from "bun:test";
import { ContainerdError } from "@ctr/api";
import { MAX_ATTEMPTS, MAX_STALLED_READS, resumeReadAfter, retryErrorAfter, retryStatusAfter } from "./retry.ts";

const now = Date.parse("2026-11-23T00:00:00Z");
const none = { retryAfter: "", now };

test.each([
  ["404 stands", 404, 1, none, undefined],
  ["429 waits", 429, 1, none, 500],
  ["429 obeys seconds", 429, 1, { retryAfter: "7", now }, 7000],
  ["429 obeys a date", 429, 1, { retryAfter: "Mon, 23 Nov 2026 00:00:03 GMT", now }, 3000],
  ["429 stands when the wait is too long", 429, 1, { retryAfter: "3600", now }, undefined],
  ["500 waits longer each time", 500, 3, none, 800],
  ["503 is never waited for longer than the cap", 503, 4, none, 4000],
  ["the last try stands", 500, MAX_ATTEMPTS, none, undefined],
])("retryStatusAfter(): %s", (_what, status, attempt, answer, expected) => {
  expect(retryStatusAfter(status, attempt, answer)).toBe(expected);
});

test("retryErrorAfter() sends again after a reset and not after a refusal", () => {
  const error = (why: string) => new ContainerdError({ code: "unavailable", what: "failed to do request", why });
  expect(retryErrorAfter(error("read: connection reset by peer"), 1)).toBe(50);
  expect(retryErrorAfter(error("dial tcp 127.0.0.1:9: connect: connection refused"), 1)).toBeUndefined();
});

test("resumeReadAfter() outlasts a restart of the server, and ends", () => {
  const error = new ContainerdError({ code: "unavailable", what: "x", why: "connect: connection refused" });
  let total = 0;
  for (let stalled = 1; stalled <= MAX_STALLED_READS; stalled++) total += resumeReadAfter(error, stalled) ?? 0;
  expect(total).toBeGreaterThan(10_000);
  expect(resumeReadAfter(error, MAX_STALLED_READS + 1)).toBeUndefined();
});
