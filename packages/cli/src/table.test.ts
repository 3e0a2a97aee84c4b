import { expect, test } from "bun:test";
import reference from "../../../testdata/reference/cli.json";
import { type Entry, entryWords, wordsOf } from "./command.ts";
import type { FlagSpecs } from "./flag.ts";
import { formatGoDuration } from "./go-duration.ts";
import { globalFlags } from "./table/global-flags.ts";
import { commandTable, loadTable } from "./table.ts";

interface Described {
  readonly path: readonly string[];
  readonly words: readonly string[];
  readonly usage: string | undefined;
  readonly flags: FlagSpecs;
}

function describeAll(entries: readonly Entry[], above: readonly string[] = []): readonly Described[] {
  return entries.flatMap((item) => {
    const words = entryWords(item);
    const path = [...above, words[0] ?? ""];
    if (item.kind === "group") {
      return [{ path, words, usage: undefined, flags: item.flags }, ...describeAll(item.entries, path)];
    }
    return [{ path, words, usage: item.declaration.usage, flags: item.declaration.flags }];
  });
}

/** Commands the Go tool does not have. */
const own = new Set(["serve", "completion", "content verify"]);
/** Flags of ours on commands that it has. */
const ownFlags = new Set(["containers restore --trust"]);
const table = await loadTable();
const ours = describeAll(table).filter(({ path }) => !own.has(path.join(" ")));
const theirs = new Map(reference.commands.map((command) => [command.path.join(" "), command]));

test.each(ours.map((command) => [command.path.join(" "), command] as const))(
  "the command table declares %s as the Go tool does",
  (path, command) => {
    const wanted = theirs.get(path);
    expect(wanted).toBeDefined();
    expect(command.words.slice(1)).toEqual(wanted?.aliases ?? []);
    if (command.usage !== undefined) expect(command.usage).toBe(wanted?.args ?? "");
    const shared = Object.entries(command.flags).filter(([name]) => !ownFlags.has(`${path} --${name}`));
    expect<unknown>(facts(Object.fromEntries(shared))).toEqual((wanted?.flags ?? []).map(referenceFacts));
  },
);

test("the global flags are those of the Go tool", () => {
  const wanted = reference.globalFlags.filter((flag) => !("implicit" in flag));
  expect<unknown>(facts(globalFlags)).toEqual(wanted.map(referenceFacts));
});

test("no two entries of a group answer to one word", () => {
  const check = (entries: readonly Entry[]): void => {
    const words = entries.flatMap(entryWords);
    expect(new Set(words).size).toBe(words.length);
    for (const item of entries) if (item.kind === "group") check(item.entries);
  };
  check(table);
});

test("every word of the top level leads to the entry it names", () => {
  expect(table.map((item) => [...entryWords(item), wordsOf(item).summary])).toEqual(
    commandTable().map(({ words }) => [words.name, ...words.aliases, words.summary]),
  );
});

function facts(specs: FlagSpecs) {
  return Object.entries(specs).map(([name, spec]) => ({
    name,
    aliases: spec.aliases,
    type: spec.kind,
    default: typeof spec.default === "bigint" ? textOf(spec.default, spec.kind) : spec.default,
    env: spec.env,
    hidden: spec.hidden,
    required: spec.required,
  }));
}

function textOf(value: bigint, kind: string): string | number {
  return kind === "duration" ? formatGoDuration(value) : Number(value);
}

function referenceFacts(flag: (typeof reference.commands)[number]["flags"][number]) {
  const { name, aliases, type, env, hidden, required } = flag;
  const host = `${process.platform}/${process.arch === "x64" ? "amd64" : `${process.arch}/v8`}`;
  const value = flag.default === "<host platform>" ? host : flag.default;
  return { name, aliases, type, default: value, env, hidden, required };
}
