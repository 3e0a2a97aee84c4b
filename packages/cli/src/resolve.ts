import { type Entry, entryWords, findEntry, type GroupEntry, type Heading } from "./command.ts";
import type { FlagSpecs } from "./flag.ts";
import { type Environment, parseFlags, UsageError } from "./flags.ts";

/** What the words after the program's name ask for. */
export type Resolution =
  | { readonly kind: "help"; readonly entry: Entry | undefined; readonly path: readonly string[] }
  | { readonly kind: "unknown"; readonly word: string }
  | {
      readonly kind: "misuse";
      readonly entry: Entry | undefined;
      readonly path: readonly string[];
      readonly error: UsageError;
    }
  | {
      readonly kind: "run";
      readonly entry: Entry & { readonly kind: "command" };
      readonly path: readonly string[];
      readonly args: readonly string[];
      readonly flags: Readonly<Record<string, unknown>>;
      readonly given: ReadonlySet<string>;
    };

interface Scope {
  readonly entry: GroupEntry | undefined;
  readonly entries: readonly Entry[];
  readonly path: readonly string[];
  /** Flags of the groups above, which a command sees where it has none of that name. */
  readonly inherited: Readonly<Record<string, unknown>>;
}

const HELP_WORDS: readonly string[] = ["help", "h"];

/** Walks the command table along `words`, which begin after the global flags, and loads what they name. */
export async function resolveCommand(
  headings: readonly Heading[],
  words: readonly string[],
  env: Environment,
): Promise<Resolution> {
  const named = HELP_WORDS.includes(words[0] ?? "") ? words[1] : words[0];
  const found = named === undefined ? undefined : findEntry(headings, named);
  const entries = found ? [await found.load()] : [];
  return walk({ entry: undefined, entries, path: ["ctr"], inherited: {} }, words, env);
}

function walk(scope: Scope, words: readonly string[], env: Environment): Resolution {
  const [word, ...rest] = words;
  if (word === undefined) return { kind: "help", entry: scope.entry, path: scope.path };
  if (HELP_WORDS.includes(word)) return helpFor(scope, rest[0]);
  const found = findEntry(scope.entries, word);
  if (!found) return { kind: "unknown", word };
  return found.kind === "group" ? enterGroup(scope, found, rest, env) : readCommand(scope, found, rest, env);
}

/** `ctr help WORD`: one word deep, as in the Go tool. */
function helpFor(scope: Scope, word: string | undefined): Resolution {
  if (word === undefined) return { kind: "help", entry: scope.entry, path: scope.path };
  const found = findEntry(scope.entries, word);
  if (!found) return { kind: "unknown", word };
  return { kind: "help", entry: found, path: [...scope.path, entryWords(found)[0] ?? word] };
}

function enterGroup(scope: Scope, item: GroupEntry, words: readonly string[], env: Environment): Resolution {
  const path = [...scope.path, item.name];
  return caught(item, path, () => {
    const parsed = parseFlags(item.flags, words, { env, stopAt: "first" });
    if (parsed.help) return { kind: "help", entry: item, path };
    const inherited = { ...scope.inherited, ...parsed.values };
    return walk({ entry: item, entries: item.entries, path, inherited }, parsed.positionals, env);
  });
}

function readCommand(
  scope: Scope,
  item: Entry & { readonly kind: "command" },
  words: readonly string[],
  env: Environment,
): Resolution {
  const { declaration } = item;
  const path = [...scope.path, declaration.name];
  return caught(item, path, () => {
    const parsed = parseFlags(declaration.flags, words, { env, stopAt: declaration.ownArgs ? "first" : "none" });
    if (parsed.help || HELP_WORDS.includes(parsed.positionals[0] ?? "")) return { kind: "help", entry: item, path };
    const missing = missingFlag(declaration.flags, parsed.given);
    if (missing !== undefined) {
      const error = new UsageError(`Required flag "${missing}" not set`);
      return parsed.positionals.length === 0 ? { kind: "misuse", entry: item, path, error } : fault(error);
    }
    const flags = { ...scope.inherited, ...parsed.values };
    return { kind: "run", entry: item, path, args: parsed.positionals, flags, given: parsed.given };
  });
}

function missingFlag(specs: FlagSpecs, given: ReadonlySet<string>): string | undefined {
  for (const name in specs) if (specs[name]?.required && !given.has(name)) return name;
  return undefined;
}

/** A misuse that is told without the help text. */
function fault(error: UsageError): Resolution {
  return { kind: "misuse", entry: undefined, path: [], error };
}

function caught(item: Entry, path: readonly string[], parse: () => Resolution): Resolution {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UsageError) return { kind: "misuse", entry: item, path, error };
    throw error;
  }
}

/** Candidate words after `words`, one entry of the table deep; nothing for what is no group. */
export async function completionWords(
  headings: readonly Heading[],
  words: readonly string[],
): Promise<readonly string[]> {
  const path = words.filter((candidate) => !candidate.startsWith("-"));
  const heading = findEntry(headings, path[0] ?? "");
  let at: readonly (Entry | Heading)[] = path.length === 0 ? headings : heading ? [await heading.load()] : [];
  for (const word of path) {
    const found = findEntry(at, word);
    if (found === undefined || "words" in found || found.kind !== "group") return [];
    at = found.entries;
  }
  return [...at.flatMap(entryWords), ...HELP_WORDS];
}
