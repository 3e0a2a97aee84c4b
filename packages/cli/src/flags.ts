import type { FlagKind, FlagSpec, FlagSpecs } from "./flag.ts";
import type { Parsed } from "./flag-number.ts";
import { parseGoBool } from "./go-bool.ts";

/** Wrong use of flags: told with the command's help, unlike any other failure. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ParseOptions {
  readonly env: Environment;
  /**
   * `first`: the first positional ends the flags, the rest belongs to a container or a subcommand.
   * `none`: flags count anywhere before `--`.
   */
  readonly stopAt: "first" | "none";
}

export interface ParsedFlags {
  /** By long name; every declared flag is here, by default, environment or command line. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Long names that the command line or the environment gave. */
  readonly given: ReadonlySet<string>;
  readonly positionals: readonly string[];
  /** `--help` or `-h` was among the flags. */
  readonly help: boolean;
}

const HELP: FlagSpec<"bool"> = {
  kind: "bool",
  summary: "show help",
  aliases: ["h"],
  default: false,
  env: [],
  hidden: false,
  required: false,
};

/** Splits `words` into flags and positionals by Go's rules. Throws `UsageError` in Go's words. */
export function parseFlags(specs: FlagSpecs, words: readonly string[], options: ParseOptions): ParsedFlags {
  const state = startValues(specs, options.env);
  const positionals: string[] = [];
  let at = 0;
  while (at < words.length) {
    const word = words[at++] ?? "";
    if (word === "--") break;
    if (word.length < 2 || !word.startsWith("-")) {
      positionals.push(word);
      if (options.stopAt === "first") break;
      continue;
    }
    at += takeFlag(specs, state, word, words[at]);
  }
  positionals.push(...words.slice(at));
  return { values: state.values, given: state.given, positionals, help: state.values["help"] === true };
}

interface State {
  readonly values: Record<string, unknown>;
  readonly given: Set<string>;
  /** Long names that the line gave: the first of a slice replaces the environment's value, the next ones add to it. */
  readonly onLine: Set<string>;
}

function startValues(specs: FlagSpecs, env: Environment): State {
  const state: State = { values: {}, given: new Set(), onLine: new Set() };
  for (const name in specs) {
    const spec = specs[name] ?? HELP;
    state.values[name] = spec.default;
    const variable = firstSet(spec.env, env);
    if (variable === undefined) continue;
    const text = env[variable] ?? "";
    if (text === "" && spec.kind !== "string") continue;
    const parsed = parseValue(spec.kind, text);
    if ("fault" in parsed) {
      throw new UsageError(
        `could not parse "${text}" as ${spec.kind} value from environment variable "${variable}" for flag ${name}: ${parsed.fault}`,
      );
    }
    state.values[name] = parsed.value;
    state.given.add(name);
  }
  return state;
}

function firstSet(variables: readonly string[], env: Environment): string | undefined {
  for (const variable of variables) if (env[variable] !== undefined) return variable;
  return undefined;
}

interface Named {
  readonly name: string;
  readonly spec: FlagSpec;
}

/** A scan: a line has fewer flags than a map of all that there are takes to make. */
function findFlag(specs: FlagSpecs, word: string): Named | undefined {
  for (const name in specs) {
    const spec = specs[name];
    if (spec !== undefined && (name === word || spec.aliases.includes(word))) return { name, spec };
  }
  return word === "help" || HELP.aliases.includes(word) ? { name: "help", spec: HELP } : undefined;
}

/** Reads one flag; returns how many further words it took. */
function takeFlag(specs: FlagSpecs, state: State, word: string, next: string | undefined): 0 | 1 {
  const body = word.slice(word.startsWith("--") ? 2 : 1);
  if (body === "" || body.startsWith("-") || body.startsWith("=")) throw new UsageError(`bad flag syntax: ${word}`);
  const equals = body.indexOf("=");
  const typed = equals < 0 ? body : body.slice(0, equals);
  const found = findFlag(specs, typed);
  if (!found) throw new UsageError(`flag provided but not defined: -${typed}`);
  const attached = equals < 0 ? undefined : body.slice(equals + 1);
  if (found.spec.kind === "bool") {
    store(state, found, typed, attached ?? "true");
    return 0;
  }
  const text = attached ?? next;
  if (text === undefined) throw new UsageError(`flag needs an argument: -${typed}`);
  store(state, found, typed, text);
  return attached === undefined ? 1 : 0;
}

function store(state: State, { name, spec }: Named, typed: string, text: string): void {
  const parsed = parseValue(spec.kind, text);
  if ("fault" in parsed) {
    throw new UsageError(
      spec.kind === "bool"
        ? `invalid boolean value "${text}" for -${typed}: ${parsed.fault}`
        : `invalid value "${text}" for flag -${typed}: ${parsed.fault}`,
    );
  }
  const before = state.onLine.has(name) ? state.values[name] : undefined;
  state.onLine.add(name);
  state.values[name] =
    Array.isArray(before) && Array.isArray(parsed.value) ? [...before, ...parsed.value] : parsed.value;
  state.given.add(name);
}

function parseValue(kind: FlagKind, text: string): Parsed {
  switch (kind) {
    case "string":
      return { value: text };
    case "stringSlice":
      return { value: [text] };
    case "bool": {
      const value = parseGoBool(text);
      return value === undefined ? { fault: "parse error" } : { value };
    }
    default:
      // Loaded by the first number on a line: most have none.
      return (require("./flag-number.ts") as typeof import("./flag-number.ts")).parseNumber(kind, text);
  }
}
