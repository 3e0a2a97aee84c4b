import { expect, test } from "bun:test";
import fc from "fast-check";
import { compilePattern } from "./pattern.ts";

test.each<[pattern: string, matching: readonly string[], not: readonly string[]]>([
  ["", ["", "x"], []],
  ["b", ["b", "abc"], ["", "a"]],
  ["^a.c$", ["abc", "aéc"], ["abcd", "a\nc"]],
  ["(?s)^a.c$", ["a\nc"], []],
  ["(?m)^b$", ["a\nb\nc"], ["a\nbc"]],
  ["^(?:ab|cd|)$", ["ab", "cd", ""], ["abcd"]],
  ["^(?P<x>a)(?<y>b)$", ["ab"], []],
  ["^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]],
  ["^a{2}$", ["aa"], ["a", "aaa"]],
  ["^a{2,}?$", ["aa", "aaaaa"], ["a"]],
  ["a{x}", ["a{x}"], ["a"]],
  ["^(?i)straSSe$", ["STRASSE"], ["strase"]],
  ["^(?i:a)b$", ["Ab", "ab"], ["aB"]],
  ["^a(?i)b|c$", ["aB", "C"], ["A"]],
  ["^[^a-c]$", ["d", "é"], ["a", "c"]],
  ["^[]a]$", ["]", "a"], ["b"]],
  ["^[a-]$", ["a", "-"], ["b"]],
  ["^[[:alpha:][:digit:]_]+$", ["aZ9_"], ["-"]],
  ["^[[:punct:]]$", ["{", "~", "!", "/"], ["a"]],
  ["^[[:^digit:]]$", ["a"], ["5"]],
  ["^\\d+\\D\\w\\s$", ["12xé ".replace("é", "e")], ["1xé "]],
  ["^[\\d.]+$", ["1.2"], ["1,2"]],
  ["^\\p{Greek}\\pL\\P{Lu}$", ["λλa"], ["aλa", "λλA"]],
  ["\\bcat\\b", ["a cat!"], ["concat"]],
  ["\\Bcat", ["concat"], ["cat"]],
  ["\\Aa\\z", ["a"], ["ab", "a\n"]],
  ["^\\Qa.b*\\E$", ["a.b*"], ["axb"]],
  ["^\\x41\\x{1F600}\\t\\012$", ["A😀\t\n"], []],
  ["^.$", ["😀"], ["ab"]],
])("compilePattern(%j) matches what RE2 does", (pattern, matching, not) => {
  const matches = compilePattern(pattern);
  expect(matching.filter((text) => !matches?.(text))).toEqual([]);
  expect(not.filter((text) => matches?.(text))).toEqual([]);
});

test.each([
  "(",
  ")",
  "a)",
  "*a",
  "a**",
  "[",
  "[b-a]",
  "a{1001}",
  "a{3,2}",
  "(?=a)",
  "(?<=a)",
  "\\1",
  "\\Z",
  "\\p{Nope}",
  "(?)",
  "[[:nope:]]",
  "((a{1000}){1000}){1000}",
])("compilePattern(%j) refuses what RE2 does", (pattern) => {
  expect(compilePattern(pattern)).toBeUndefined();
});

test("compilePattern() takes linear time where backtracking takes for ever", () => {
  const matches = compilePattern("^(a+)+$");
  expect(matches?.(`${"a".repeat(5000)}b`)).toBe(false);
  expect(matches?.("a".repeat(5000))).toBe(true);
});

const atoms = ["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(?:ab)", "a|", "^", "$"];
const patterns = fc
  .array(fc.tuple(fc.constantFrom(...atoms), fc.constantFrom("", "*", "+", "?", "{2}", "{1,2}")), { maxLength: 6 })
  .map((parts) => parts.map(([atom, count]) => (/[|^$]$/.test(atom) ? atom : atom + count)).join(""));

test("compilePattern() agrees with JavaScript where the languages are one", () => {
  fc.assert(
    fc.property(patterns, fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 }), (pattern, text) => {
      expect(compilePattern(pattern)?.(text)).toBe(new RegExp(pattern, "u").test(text));
    }),
    { numRuns: 500 },
  );
});
