import { type Entry, entryWords, wordsOf } from "../../packages/cli/src/command.ts";
import type { FlagSpec, FlagSpecs } from "../../packages/cli/src/flag.ts";
import { programFlags } from "../../packages/cli/src/globals.ts";
import { formatGoDuration } from "../../packages/cli/src/go-duration.ts";
import { hostPlatformName } from "../../packages/cli/src/host-platform.ts";
import { loadTable } from "../../packages/cli/src/table.ts";

/** A flag as a page shows it. */
export interface FlagPage {
  /** `--quiet`, `-q`. */
  readonly words: readonly string[];
  readonly takesValue: boolean;
  readonly repeatable: boolean;
  readonly required: boolean;
  readonly hidden: boolean;
  readonly summary: string;
  /** Empty where there is none worth telling. */
  readonly default: string;
  readonly env: readonly string[];
}

/** A command or a group as a page shows it. */
export interface CommandPage {
  /** Words after `ctr`. */
  readonly path: readonly string[];
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly usage: string;
  readonly description: string;
  readonly flags: readonly FlagPage[];
  readonly children: readonly CommandPage[];
}

/** What all pages are made of: the flags before the command word, and the one command table. */
export interface Program {
  readonly flags: readonly FlagPage[];
  readonly commands: readonly CommandPage[];
}

/** Reads the command table. */
export async function readProgram(): Promise<Program> {
  const table = await loadTable();
  return { flags: flagPages(programFlags), commands: table.map((item) => commandPage(item, [])) };
}

function commandPage(item: Entry, above: readonly string[]): CommandPage {
  const [name = "", ...aliases] = entryWords(item);
  const path = [...above, name];
  const { summary } = wordsOf(item);
  if (item.kind === "group") {
    const children = item.entries.map((child) => commandPage(child, path));
    return { path, aliases, summary, usage: "COMMAND", description: "", flags: flagPages(item.flags), children };
  }
  const { usage, description, flags } = item.declaration;
  return { path, aliases, summary, usage, description, flags: flagPages(flags), children: [] };
}

function flagPages(specs: FlagSpecs): readonly FlagPage[] {
  return Object.entries(specs).map(([name, spec]) => ({
    words: [name, ...spec.aliases].map((word) => `${word.length === 1 ? "-" : "--"}${word}`),
    takesValue: spec.kind !== "bool",
    repeatable: spec.kind === "stringSlice" || spec.kind === "intSlice",
    required: spec.required,
    hidden: spec.hidden,
    summary: spec.summary,
    default: defaultText(spec),
    env: spec.env,
  }));
}

function defaultText({ kind, default: value }: FlagSpec): string {
  if (kind === "bool" || Array.isArray(value)) return "";
  // Pages must not depend on the machine that wrote them.
  if (value === hostPlatformName()) return "the host's platform";
  return typeof value === "bigint" && kind === "duration" ? formatGoDuration(value) : String(value);
}

/** A command and all below it, itself first. */
export function flatten(page: CommandPage): readonly CommandPage[] {
  return [page, ...page.children.flatMap(flatten)];
}
