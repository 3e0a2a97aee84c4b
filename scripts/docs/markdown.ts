import { type CommandPage, type FlagPage, flatten, type Program } from "./model.ts";

const NOTE = "<!-- written by `npm run docs` from the command table -->";

/** The pages of `docs/cli`, by file name: the index, and one for each word of the top level. */
export function markdownPages({ flags, commands }: Program): ReadonlyMap<string, string> {
  const pages = commands.map((command) => [`${command.path[0]}.md`, topPage(command)] as const);
  return new Map([["README.md", indexPage(flags, commands)], ...pages]);
}

function indexPage(flags: readonly FlagPage[], commands: readonly CommandPage[]): string {
  return page([
    "# ctr",
    "Every command of `ctr`, as `ctr COMMAND --help` tells them. [parity.md](parity.md) says which tests run each.",
    code("ctr [global flags] COMMAND [flags] [arguments]"),
    "Global flags stand before the first command word. Flags may be written with one dash or two, a value after a blank or `=`.",
    flagTable(flags),
    ...commands.map(
      (command) => `- [${command.path[0]}](${command.path[0]}.md)${alsoText(command)}: ${cell(command.summary)}`,
    ),
  ]).replaceAll(/(^- .*)\n\n(?=- )/gm, "$1\n");
}

function topPage(command: CommandPage): string {
  return page(flatten(command).flatMap((each, depth) => sections(each, depth)));
}

function sections(command: CommandPage, depth: number): readonly string[] {
  const line = ["ctr", ...command.path, ...(command.flags.length > 0 ? ["[flags]"] : []), operands(command)];
  return [
    `${depth === 0 ? "#" : "##"} ctr ${command.path.join(" ")}`,
    `${escaped(command.summary)}.${command.description === "" ? "" : ` ${sentence(command.description)}`}`,
    code(line.filter(Boolean).join(" ")),
    ...(command.aliases.length > 0 ? [`Also: ${command.aliases.map((word) => `\`${word}\``).join(", ")}.`] : []),
    ...(command.flags.length > 0 ? [flagTable(command.flags)] : []),
  ];
}

/** The usage of the table begins with `[flags]` where the Go tool's does. */
function operands({ usage }: CommandPage): string {
  return usage.replace(/^\[flags\] ?/, "").replace(/ ?\[flags\]$/, "");
}

function flagTable(flags: readonly FlagPage[]): string {
  return ["| flag | what | default |", "| --- | --- | --- |", ...flags.map(flagRow)].join("\n");
}

function flagRow(flag: FlagPage): string {
  const words = flag.words.map((word) => `\`${word}${flag.takesValue ? " VALUE" : ""}\``).join(", ");
  const notes = [
    ...(flag.repeatable ? ["may be repeated"] : []),
    ...(flag.required ? ["required"] : []),
    ...(flag.hidden ? ["not shown in help"] : []),
  ].filter((note) => !flag.summary.includes(note));
  const what = [flag.summary, ...notes].map(cell).join("; ");
  const defaults = [flag.default, ...flag.env.map((variable) => `$${variable}`)].filter(Boolean);
  return `| ${words} | ${what} | ${defaults.map((text) => `\`${cell(text)}\``).join(", ")} |`;
}

function alsoText({ aliases }: CommandPage): string {
  return aliases.length === 0 ? "" : ` (${aliases.join(", ")})`;
}

function code(line: string): string {
  return `    ${line}`;
}

function sentence(text: string): string {
  const ended = /[.:]$/.test(text) ? text : `${text}.`;
  return escaped(ended.slice(0, 1).toUpperCase() + ended.slice(1));
}

function cell(text: string): string {
  return escaped(text).replaceAll("|", "\\|");
}

function escaped(text: string): string {
  return text.replaceAll("<", "&lt;");
}

function page(blocks: readonly string[]): string {
  return `${[NOTE, ...blocks].join("\n\n")}\n`;
}
