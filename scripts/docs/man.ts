import { type CommandPage, type FlagPage, flatten, type Program } from "./model.ts";

/** The pages of `docs/man`, by file name: `ctr.1`, and one for each word of the top level. */
export function manPages({ flags, commands }: Program): ReadonlyMap<string, string> {
  const pages = commands.map((command) => [`ctr-${command.path[0]}.1`, topPage(command)] as const);
  return new Map([["ctr.1", programPage(flags, commands)], ...pages]);
}

function programPage(flags: readonly FlagPage[], commands: readonly CommandPage[]): string {
  return page("ctr", [
    ...section("NAME", ["ctr \\- containerd's command line"]),
    ...section("SYNOPSIS", [".B ctr", "[global flags]", ".I command", "[flags] [arguments]"]),
    ...section("DESCRIPTION", [
      text(
        "Manages images, containers and all else that a containerd keeps, or does the same without one by the engine inside it: ",
      ),
      text("where no containerd is at home, or with --address embedded."),
      ".PP",
      text("Global flags stand before the first command word. Flags may be written with one dash or two."),
    ]),
    ...section(
      "COMMANDS",
      commands.flatMap(({ path, summary }) => [".TP", `.BR ctr\\-${text(path[0] ?? "")} (1)`, text(summary)]),
    ),
    ...section("GLOBAL FLAGS", flags.flatMap(flagLines)),
    ...section("EXIT STATUS", [
      text(
        "0 on success, 1 on failure, 3 for an unknown command; that of the process for run, tasks start, tasks attach and tasks exec.",
      ),
    ]),
  ]);
}

function topPage(command: CommandPage): string {
  const name = `ctr-${command.path[0]}`;
  const [top = command, ...below] = flatten(command);
  return page(name, [
    ...section("NAME", [`${text(name)} \\- ${text(top.summary)}`]),
    ...section("SYNOPSIS", synopsis(top)),
    ...(top.description === "" ? [] : section("DESCRIPTION", [text(top.description)])),
    ...(top.flags.length === 0 ? [] : section("FLAGS", top.flags.flatMap(flagLines))),
    ...(below.length === 0 ? [] : section("COMMANDS", below.flatMap(commandLines))),
    ...section("SEE ALSO", [".BR ctr (1)"]),
  ]);
}

function commandLines(command: CommandPage): readonly string[] {
  const { path, aliases, summary, description, flags } = command;
  return [
    `.SS ${text(path.join(" "))}`,
    ...synopsis(command),
    ".PP",
    `${text(summary)}.`,
    ...(description === "" ? [] : [text(description)]),
    ...(aliases.length === 0 ? [] : [".PP", `Also: ${text(aliases.join(", "))}.`]),
    ...flags.flatMap(flagLines),
  ];
}

function synopsis({ path, usage, flags }: CommandPage): readonly string[] {
  const declared = usage.includes("[flags]") || flags.length === 0 ? usage : `[flags] ${usage}`;
  return [`.B ctr ${text(path.join(" "))}`, ...(declared === "" ? [] : [text(declared.trim())])];
}

function flagLines(flag: FlagPage): readonly string[] {
  const words = flag.words.map((word) => `\\fB${text(word)}\\fR${flag.takesValue ? " \\fIvalue\\fR" : ""}`).join(", ");
  const notes = [
    ...(flag.repeatable ? ["may be repeated"] : []),
    ...(flag.required ? ["required"] : []),
    ...(flag.default === "" ? [] : [`default: ${flag.default}`]),
    ...flag.env.map((variable) => `environment: ${variable}`),
  ].filter((note) => !flag.summary.includes(note));
  return [".TP", words, text([flag.summary, ...notes].join("; "))];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return [`.SH ${title}`, ...lines];
}

/** Text as roff prints it: a dash one can copy, no line that is taken for a request. */
function text(plain: string): string {
  const escaped = plain.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function page(name: string, lines: readonly string[]): string {
  const note = '.\\" written by `npm run docs` from the command table';
  return `${[note, `.TH ${name.toUpperCase().replaceAll("-", "\\-")} 1 "" ctr "containerd's command line"`, ...lines].join("\n")}\n`;
}
