import { type Entry, entryWords, type Globals, type Heading, wordsOf } from "../command.ts";
import { connectEngine, isThere } from "../connect.ts";
import type { FlagSpecs } from "../flag.ts";
import { type Environment, UsageError } from "../flags.ts";
import { globalsOf, programFlags, readGlobals } from "../globals.ts";
import { commandTable } from "../table.ts";
import { type LiveSubject, liveNames } from "./names.ts";
import { findPlace, type Place, type Position } from "./position.ts";
import { type Subject, subjectOfArgument, subjectOfFlag } from "./subjects.ts";

/** How long an engine may take to tell its names: with starting and printing it stays below 300 ms, and a person typing. */
const DEADLINE_MS = 200;

/** More than anyone reads; a store may have a hundred thousand blobs. */
const MAX_NAMES = 1000;

/**
 * What a shell could print, or run, as something else than the name it is: names come out of strangers' images.
 * Whatever has other characters is left out.
 */
const HARMLESS = /^[\w./:@+%,=-]+$/;

/**
 * Candidates for the last of `words`, which follow the program's name and of which the last may be empty. The first
 * line says who completes: `words` are below, one a line, with a tab before what explains them; `files` and
 * `directories` are for the shell. No engine, or a slow one, is no error: it has no names.
 */
export async function complete(words: readonly string[], env: Environment): Promise<string> {
  const place = await findPlace(commandTable(), programFlags, words);
  const typed = words.at(-1) ?? "";
  const subject = subjectOf(place.position);
  if (subject === "file" || subject === "directory") return subject === "file" ? "files\n" : "directories\n";
  const candidates = subject ? await named(subject, place, { words, env }) : declared(place.position);
  const before = place.position.kind === "value" ? place.position.before : "";
  const lines = candidates.map((candidate) => `${before}${candidate}`).filter((line) => line.startsWith(typed));
  return ["words", ...lines.slice(0, MAX_NAMES)].map((line) => `${line}\n`).join("");
}

function subjectOf(position: Position): Subject | undefined {
  if (position.kind === "value") return subjectOfFlag(position.flag);
  return position.kind === "argument" ? subjectOfArgument(position.command, position.index) : undefined;
}

function declared(position: Position): readonly string[] {
  switch (position.kind) {
    case "word":
      return position.entries.flatMap(entryLines);
    case "flag":
      return flagLines(position.flags);
    default:
      return [];
  }
}

function entryLines(item: Entry | Heading): readonly string[] {
  return entryWords(item).map((word) => `${word}\t${wordsOf(item).summary}`);
}

function flagLines(flags: FlagSpecs): readonly string[] {
  const lines = Object.entries(flags)
    .filter(([, spec]) => !spec.hidden)
    .flatMap(([name, { aliases, summary }]) => [name, ...aliases].map((word) => `${dashed(word)}\t${summary}`));
  return [...lines, "--help\tshow help"];
}

function dashed(word: string): string {
  return word.length === 1 ? `-${word}` : `--${word}`;
}

interface Line {
  readonly words: readonly string[];
  readonly env: Environment;
}

async function named(subject: Exclude<Subject, "file" | "directory">, place: Place, line: Line) {
  if (typeof subject !== "string") return subject;
  const { position } = place;
  // A flag whose value is being typed is none yet.
  const whole = position.kind === "value" && position.before === "" ? -2 : -1;
  const globals = globalsOfLine({ ...line, words: line.words.slice(0, whole) });
  if (globals === undefined || !(await isThere(globals))) return [];
  const snapshotter = place.given.get("snapshotter") ?? line.env["CONTAINERD_SNAPSHOTTER"] ?? "";
  return askInTime(subject, globals, snapshotter);
}

/** A flag with a wrong value leaves nobody to ask. */
function globalsOfLine({ words, env }: Line): Globals | undefined {
  try {
    return globalsOf(readGlobals(words, env));
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

/** What came before the deadline, sorted; an engine that fails has told what it told. */
async function askInTime(subject: LiveSubject, globals: Globals, snapshotter: string): Promise<readonly string[]> {
  const deadline = new AbortController();
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    deadline.abort();
    late.resolve();
  }, DEADLINE_MS);
  const found: string[] = [];
  const ask = async () => {
    const client = await connectEngine(globals, { signal: deadline.signal });
    await using _ = client;
    for await (const name of liveNames(subject, { client, snapshotter, signal: deadline.signal })) {
      if (HARMLESS.test(name) && !name.startsWith("-")) found.push(name);
    }
  };
  // Whatever went wrong, a person who only pressed Tab is not told.
  await Promise.race([ask().catch(() => undefined), late.promise]);
  clearTimeout(timer);
  return found.sort();
}
