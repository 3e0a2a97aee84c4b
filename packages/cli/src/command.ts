import type { Client } from "@ctr/client";
import type { FlagSpecs, FlagValues } from "./flag.ts";
import type { Environment } from "./flags.ts";
import type { Logger } from "./log.ts";
import type { Input, Output } from "./streams.ts";

/** The flags that stand before the command word. */
export interface Globals {
  readonly debug: boolean;
  readonly address: string;
  /** The address was given, by flag or environment. */
  readonly addressGiven: boolean;
  readonly namespace: string;
  /** Nanoseconds; 0 for none. */
  readonly timeout: bigint;
  /** Nanoseconds; 0 for the default of ten seconds. */
  readonly connectTimeout: bigint;
}

/** What a command is handed. It writes to these streams and to nothing else. */
export interface CommandContext<D extends FlagSpecs> {
  /** Positional words, unchecked. */
  readonly args: readonly string[];
  readonly flags: FlagValues<D>;
  /** True where the command line or the environment gave the flag of this long name. */
  given(name: keyof D & string): boolean;
  readonly globals: Globals;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly log: Logger;
  readonly env: Environment;
  /** Aborts when the deadline of `--timeout` passes. */
  readonly signal: AbortSignal;
  /** The client of the global flags' address and namespace; connected at the first call, gone when the command ends. */
  connect(): Promise<Client>;
}

/** The exit code, where it is not 0. */
export type CommandResult = Promise<number | undefined> | Promise<void>;

/** What a command file exports: the doing of it. Names, flags and help are in `table.ts`. */
export interface Command<D extends FlagSpecs> {
  run(context: CommandContext<D>): CommandResult;
}

/** A leaf of the command table as declared, before it knows where its code is. */
export interface Declaration<D extends FlagSpecs = FlagSpecs, G extends FlagSpecs = FlagSpecs> {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** The positional part of the usage line. */
  readonly usage: string;
  readonly description: string;
  readonly flags: D;
  /** Flags of the group above, given before the command's own word. */
  readonly inherits: G;
  /** The first positional ends the flags: what follows belongs to a process in a container. */
  readonly ownArgs: boolean;
}

interface DeclarationExtras<D extends FlagSpecs, G extends FlagSpecs> {
  readonly aliases?: readonly string[];
  readonly usage?: string;
  readonly description?: string;
  /** Made when they are first asked for: of a group's commands one runs. */
  readonly flags?: () => D;
  readonly inherits?: G;
  readonly ownArgs?: boolean;
}

/** Declares a command for the table. */
export function declareCommand<
  const D extends FlagSpecs = Record<never, never>,
  const G extends FlagSpecs = Record<never, never>,
>(name: string, summary: string, extras: DeclarationExtras<D, G> = {}): Declaration<D, G> {
  let flags: D | undefined;
  return {
    name,
    summary,
    aliases: extras.aliases ?? [],
    usage: extras.usage ?? "",
    description: extras.description ?? "",
    // Left out only where D or G is the empty record, which {} is.
    get flags() {
      flags ??= extras.flags?.() ?? ({} as D);
      return flags;
    },
    inherits: extras.inherits ?? ({} as G),
    ownArgs: extras.ownArgs ?? false,
  };
}

/** Types a command file's `run` after its declaration: `defineCommand<typeof pull>({ … })`. */
export function defineCommand<C extends Declaration>(
  command: Command<C["flags"] & C["inherits"]>,
): Command<C["flags"] & C["inherits"]> {
  return command;
}

/** A leaf of the table: what it is called, and where its code is, loaded only when it runs. */
export interface CommandEntry {
  readonly kind: "command";
  readonly declaration: Declaration;
  load(): Promise<(context: CommandContext<FlagSpecs>) => CommandResult>;
}

/** A word with further words below it. */
export interface GroupEntry extends Words {
  readonly kind: "group";
  readonly flags: FlagSpecs;
  readonly entries: readonly Entry[];
}

export type Entry = CommandEntry | GroupEntry;

/** Joins a declaration and its code; the compiler checks that both mean the same flags. */
export function entry<D extends FlagSpecs, G extends FlagSpecs>(
  declaration: Declaration<D, G>,
  load: () => Promise<Command<D & G>>,
): CommandEntry {
  return {
    kind: "command",
    declaration,
    load: async () => {
      const command = await load();
      // The parser filled `flags` from `declaration.flags`, which is D, over those of the groups above, which G names.
      return (context) => command.run(context as unknown as CommandContext<D & G>);
    },
  };
}

/** The words of an entry. */
export interface Words {
  readonly name: string;
  readonly aliases: readonly string[];
  /** One line on what it is for. */
  readonly summary: string;
}

/** A word of the top level; the flags and entries behind it are loaded only when it is chosen. */
export interface Heading {
  readonly words: Words;
  load(): Promise<Entry>;
}

/** What a group's file under `table/` exports. */
export interface GroupParts {
  readonly flags?: FlagSpecs;
  readonly entries: readonly Entry[];
}

/** A group of entries; it only prints help. */
export function group(words: Words, { flags = {}, entries }: GroupParts): GroupEntry {
  return { kind: "group", ...words, flags, entries };
}

/** Words of an entry, wherever it is in the table. */
export function wordsOf(item: Entry | Heading): Words {
  if ("words" in item) return item.words;
  return item.kind === "group" ? item : item.declaration;
}

/** The entry that answers to `word`. A loop: the first `find` of a program takes it 0.03 ms, and this runs in every one. */
export function findEntry<T extends Entry | Heading>(items: readonly T[], word: string): T | undefined {
  for (const item of items) {
    const { name, aliases } = wordsOf(item);
    if (name === word || aliases.includes(word)) return item;
  }
  return undefined;
}

/** All words an entry answers to, the first being its name. */
export function entryWords(item: Entry | Heading): readonly string[] {
  const { name, aliases } = wordsOf(item);
  return [name, ...aliases];
}
