import { type Entry, entryWords, type GroupEntry, type Heading, wordsOf } from "./command.ts";
import type { FlagSpec, FlagSpecs } from "./flag.ts";
import { formatGoDuration } from "./go-duration.ts";
import { alignTabs, helpTable } from "./tabwriter.ts";

/** Words that lead to an entry, the program's name first. */
export type CommandPath = readonly string[];

export interface RootHelp {
  readonly version: string;
  readonly flags: FlagSpecs;
  readonly headings: readonly Heading[];
}

/** Help of the program itself. */
export function rootHelp(root: RootHelp): string {
  return layout([
    ["NAME", "ctr - containerd's command line"],
    ["USAGE", "ctr [global options] command [command options]"],
    ["VERSION", root.version],
    ["DESCRIPTION", "Manages images, containers and all else that a containerd keeps."],
    ["COMMANDS", commandLines(root.headings)],
    ["GLOBAL OPTIONS", flagLines(root.flags, [["--version, -v", "print the version"]])],
  ]);
}

/** Help of a group or a command; `path` ends in its name. */
export function entryHelp(item: Entry, path: CommandPath): string {
  return item.kind === "group" ? groupHelp(item, path) : commandHelp(item, path);
}

function groupHelp(item: GroupEntry, path: CommandPath): string {
  return layout([
    ["NAME", `${path.join(" ")} - ${item.summary}`],
    ["USAGE", `${path.join(" ")} [command options]`],
    ["COMMANDS", commandLines(item.entries)],
    ["OPTIONS", flagLines(item.flags)],
  ]);
}

function commandHelp(item: Entry & { kind: "command" }, path: CommandPath): string {
  const { declaration } = item;
  return layout([
    ["NAME", `${path.join(" ")} - ${wordsOf(item).summary}`],
    ["USAGE", `${path.join(" ")} [command options]${declaration.usage === "" ? "" : ` ${declaration.usage}`}`],
    ["DESCRIPTION", declaration.description],
    ["OPTIONS", flagLines(declaration.flags)],
  ]);
}

function layout(sections: readonly (readonly [string, string])[]): string {
  const shown = sections.filter(([, body]) => body !== "");
  const text = shown.map(([title, body]) => `${title}:\n${indent(body)}\n`).join("\n");
  return alignTabs(text, helpTable);
}

function indent(body: string): string {
  return body
    .split("\n")
    .map((line) => `   ${line}`)
    .join("\n");
}

function commandLines(entries: readonly (Entry | Heading)[]): string {
  const lines = entries.map((item) => `${entryWords(item).join(", ")}\t${wordsOf(item).summary}`);
  return [...lines, "help, h\tShow the commands, or help for one of them"].join("\n");
}

function flagLines(specs: FlagSpecs, more: readonly (readonly [string, string])[] = []): string {
  const lines = Object.entries(specs)
    .filter(([, spec]) => !spec.hidden)
    .map(([name, spec]) => flagLine(name, spec));
  const builtIn = [["--help, -h", "show help"], ...more].map(([names, what]) => `${names}\t${what}`);
  return [...lines, ...builtIn].join("\n");
}

function flagLine(name: string, spec: FlagSpec): string {
  const value = spec.kind === "bool" ? "" : " value";
  const names = [name, ...spec.aliases].map((word) => `${word.length === 1 ? "-" : "--"}${word}${value}`).join(", ");
  const repeatable = spec.kind === "stringSlice" || spec.kind === "intSlice";
  const env = spec.env.length === 0 ? "" : ` [${spec.env.map((variable) => `$${variable}`).join(", ")}]`;
  return `${names}${repeatable ? ` [ ${names} ]` : ""}\t${spec.summary}${defaultText(spec)}${env}`;
}

function defaultText(spec: FlagSpec): string {
  const value = spec.default;
  if (spec.kind === "stringSlice" || spec.kind === "intSlice" || value === "") return "";
  if (spec.kind === "string") return ` (default: ${JSON.stringify(value)})`;
  return ` (default: ${typeof value === "bigint" && spec.kind === "duration" ? formatGoDuration(value) : value})`;
}
