import { type CommandEntry, type Entry, entryWords, type Heading, wordsOf } from "../command.ts";
import type { FlagSpec, FlagSpecs } from "../flag.ts";

/** What may stand where the cursor is. */
export type Position =
  | { readonly kind: "word"; readonly entries: readonly (Entry | Heading)[] }
  | { readonly kind: "flag"; readonly flags: FlagSpecs }
  | { readonly kind: "value"; readonly flag: string; readonly typed: string; readonly before: string }
  | { readonly kind: "argument"; readonly command: string; readonly index: number }
  | { readonly kind: "nothing" };

/** A line as far as it goes: the position of its last word, and the flags given on the way there. */
export interface Place {
  readonly position: Position;
  /** By long name; the last one counts. */
  readonly given: ReadonlyMap<string, string>;
}

/** Finds the place of the last of `words`, which may be empty, on a line that begins with the global flags. */
export async function findPlace(
  headings: readonly Heading[],
  globalFlags: FlagSpecs,
  words: readonly string[],
): Promise<Place> {
  const walker = new Walker(headings, globalFlags);
  for (const word of words.slice(0, -1)) await walker.pass(word);
  return { position: walker.positionOf(words.at(-1) ?? ""), given: walker.given };
}

/** Goes along a line, more forgiving than the parser: an unknown flag is passed over, not refused. */
class Walker {
  readonly given = new Map<string, string>();
  #entries: readonly (Entry | Heading)[];
  #flags: FlagSpecs;
  #path: readonly string[] = [];
  #command: CommandEntry | undefined;
  #arguments = 0;
  /** The flag whose value comes next. */
  #pending: string | undefined;
  #flagsEnded = false;
  #lost = false;

  constructor(headings: readonly Heading[], globalFlags: FlagSpecs) {
    this.#entries = headings;
    this.#flags = globalFlags;
  }

  async pass(word: string): Promise<void> {
    if (this.#pending !== undefined) {
      this.given.set(this.#pending, word);
      this.#pending = undefined;
    } else if (word === "--" && !this.#flagsEnded) {
      this.#flagsEnded = true;
    } else if (this.#isFlag(word)) {
      this.#passFlag(word);
    } else if (this.#command) {
      this.#arguments++;
      if (this.#command.declaration.ownArgs) this.#flagsEnded = true;
    } else {
      await this.#enter(word);
    }
  }

  positionOf(word: string): Position {
    if (this.#lost) return { kind: "nothing" };
    if (this.#pending !== undefined) return { kind: "value", flag: this.#pending, typed: word, before: "" };
    if (word.startsWith("-") && !this.#flagsEnded) {
      const equals = word.indexOf("=");
      if (equals < 0) return { kind: "flag", flags: this.#flags };
      const flag = longName(this.#flags, word.slice(0, equals))?.name;
      const before = word.slice(0, equals + 1);
      return flag === undefined ? { kind: "nothing" } : { kind: "value", flag, typed: word.slice(equals + 1), before };
    }
    if (!this.#command) return { kind: "word", entries: this.#entries };
    return { kind: "argument", command: this.#path.join(" "), index: this.#arguments };
  }

  #isFlag(word: string): boolean {
    return word.length > 1 && word.startsWith("-") && !this.#flagsEnded;
  }

  #passFlag(word: string): void {
    const equals = word.indexOf("=");
    const found = longName(this.#flags, equals < 0 ? word : word.slice(0, equals));
    if (!found) return;
    if (equals >= 0) this.given.set(found.name, word.slice(equals + 1));
    else if (found.spec.kind !== "bool") this.#pending = found.name;
  }

  async #enter(word: string): Promise<void> {
    if (word === "help" || word === "h") return;
    const found = this.#entries.find((item) => entryWords(item).includes(word));
    if (!found) {
      this.#lost = true;
      return;
    }
    const item = "load" in found && !("kind" in found) ? await found.load() : found;
    this.#path = [...this.#path, wordsOf(item).name];
    if (item.kind === "group") {
      this.#entries = item.entries;
      this.#flags = item.flags;
    } else {
      this.#command = item;
      this.#flags = item.declaration.flags;
    }
  }
}

function longName(flags: FlagSpecs, typed: string): { readonly name: string; readonly spec: FlagSpec } | undefined {
  const word = typed.replace(/^--?/, "");
  const found = Object.entries(flags).find(([name, spec]) => name === word || spec.aliases.includes(word));
  return found && { name: found[0], spec: found[1] };
}
