import { expect, test } from "bun:test";
import { constants } from "node:os";
import { parseSignal, signalName } from "./signals.ts";

test.each([
  ["a full name", "SIGTERM", 15],
  ["a name in any case", "sigKill", 9],
  ["a short name", "hup", 1],
  ["a number in text", "10", 10],
  ["a number", 2, 2],
  ["a real-time signal", "SIGRTMIN+3", 37],
  ["one counted from the end", "RTMAX-1", 63],
])("parseSignal() reads %s", (_what, text, number) => {
  expect(parseSignal(text)).toBe(number);
});

test.each(["", "0", "65", "-9", "FOO", "RTMIN-1", "RTMAX+1", "1.5", "toString"])("parseSignal() refuses %p", (text) => {
  expect(() => parseSignal(text)).toThrow(`invalid signal: ${text}`);
});

test("the numbers are those of this kernel, and signalName() finds the way back", () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    if (name === "SIGUNUSED") continue;
    expect([name, parseSignal(name)]).toEqual([name, number]);
    expect(parseSignal(signalName(number) ?? "")).toBe(number);
  }
  expect(signalName(99)).toBeUndefined();
});
