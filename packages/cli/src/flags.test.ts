import { expect, test } from "bun:test";
import { bool, duration, float64, int, int64, intSlice, string, stringSlice, uint64 } from "./flag.ts";
import { parseFlags, UsageError } from "./flags.ts";

const specs = {
  quiet: bool("", { alias: "q" }),
  name: string("", { default: "x", env: "NAME" }),
  env: stringSlice(""),
  gpus: intSlice(""),
  count: int(""),
  quota: int64("", { default: -1n }),
  limit: uint64(""),
  cpus: float64(""),
  timeout: duration("", { alias: "t", env: "TIMEOUT" }),
};

function parse(words: string, env: Record<string, string> = {}, stopAt: "first" | "none" = "none") {
  return parseFlags(specs, words === "" ? [] : words.split(" "), { env, stopAt });
}

test.each([
  ["-quiet", "quiet", true],
  ["--quiet=false", "quiet", false],
  ["-q=T", "quiet", true],
  ["--name v", "name", "v"],
  ["-name=v", "name", "v"],
  ["--name=", "name", ""],
  ["--name a --name b", "name", "b"],
  ["--name -q", "name", "-q"],
  ["--env A=1,B=2 --env C=3", "env", ["A=1,B=2", "C=3"]],
  ["--gpus 0 --gpus 0x10", "gpus", [0, 16]],
  ["--count 010", "count", 8],
  ["--count 0b11", "count", 3],
  ["--quota -5", "quota", -5n],
  ["--limit 18446744073709551615", "limit", 2n ** 64n - 1n],
  ["--cpus 1.5", "cpus", 1.5],
  ["-t 1m30s", "timeout", 90_000_000_000n],
  ["", "quota", -1n],
  ["", "name", "x"],
])("parseFlags(%p) sets %s", (words, name, value) => {
  expect(parse(words).values[name]).toEqual(value);
});

test.each([
  ["-x", "flag provided but not defined: -x"],
  ["-dt", "flag provided but not defined: -dt"],
  ["--quiet=maybe", 'invalid boolean value "maybe" for -quiet: parse error'],
  ["--name", "flag needs an argument: -name"],
  ["-t 5", 'invalid value "5" for flag -t: parse error'],
  ["--limit -1", 'invalid value "-1" for flag -limit: parse error'],
  ["--limit 18446744073709551616", 'invalid value "18446744073709551616" for flag -limit: value out of range'],
  ["--count x", 'invalid value "x" for flag -count: parse error'],
  ["--gpus 0,1", 'invalid value "0,1" for flag -gpus: strconv.ParseInt: parsing "0,1": invalid syntax'],
  ["---x", "bad flag syntax: ---x"],
  ["--=x", "bad flag syntax: --=x"],
])("parseFlags(%p) fails with %s", (words, message) => {
  expect(() => parse(words)).toThrow(new UsageError(message));
});

test("parseFlags() takes flags after positionals unless told to stop at the first", () => {
  expect(parse("a -q b")).toMatchObject({ positionals: ["a", "b"], values: { quiet: true } });
  expect(parse("a -q b", {}, "first")).toMatchObject({ positionals: ["a", "-q", "b"], values: { quiet: false } });
});

test("parseFlags() ends the flags at --", () => {
  expect(parse("a -- -q").positionals).toEqual(["a", "-q"]);
  expect(parse("- -q")).toMatchObject({ positionals: ["-"], values: { quiet: true } });
});

test("parseFlags() takes a variable for a flag, and the flag before the variable", () => {
  expect(parse("", { NAME: "" }).values["name"]).toBe("");
  expect(parse("", { NAME: "e" }).given.has("name")).toBe(true);
  expect(parse("--name f", { NAME: "e" }).values["name"]).toBe("f");
  expect(parse("", { TIMEOUT: "" }).values["timeout"]).toBe(0n);
  expect(() => parse("", { TIMEOUT: "x" })).toThrow(/could not parse "x" as duration/);
});

test("parseFlags() knows which flags were given", () => {
  expect([...parse("--quiet=false --name x").given]).toEqual(["quiet", "name"]);
});
