import { describe, expect, test } from "bun:test";
import {
  ownCommands,
  ownFlags,
  type ReferenceCommand,
  type ReferenceFlag,
  referenceCommands,
} from "../parity/reference.ts";
import { goCtr, ourCtr } from "../support/binaries.ts";
import { run } from "../support/process.ts";

const wordsOf = ({ name }: ReferenceCommand) => (name === "" ? [] : name.split(" "));

/** A help text by its titles; the layout is blank lines between sections and three blanks before each line. */
function sectionsOf(help: string): ReadonlyMap<string, readonly string[]> {
  const sections = help.trimEnd().split("\n\n");
  return new Map(
    sections.map((section) => {
      const [title = "", ...lines] = section.split("\n");
      expect(title).toMatch(/^[A-Z ]+:$/);
      for (const line of lines) expect(line).toStartWith("   ");
      return [title, lines.map((line) => line.slice(3))];
    }),
  );
}

async function helpOf(words: readonly string[]) {
  const { code, stdout, stderr } = await run([ourCtr, ...words, "--help"]);
  expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
  return sectionsOf(stdout);
}

describe.each(referenceCommands.map((command) => [["ctr", ...wordsOf(command)].join(" "), command] as const))(
  "%s --help",
  (title, command) => {
    test("has the sections, the words and the flags of the Go ctr, in its order", async () => {
      const sections = await helpOf(wordsOf(command));
      expect(sections.get("NAME:")).toEqual([expect.stringMatching(new RegExp(`^${title} - \\S`))]);
      expect(sections.get("USAGE:")).toEqual([usageOf(command)]);
      if (command.group) expect(namesOf(command, sections.get("COMMANDS:"))).toEqual(entriesOf(command));
      else expect(sections.has("COMMANDS:")).toBe(false);
      const flags = sections.get(command.name === "" ? "GLOBAL OPTIONS:" : "OPTIONS:") ?? [];
      const theirs = flags.filter((line) => !ownFlags.includes(`${command.name} ${line.split(" ")[0]}`));
      expect(theirs.map(partsOfFlag)).toEqual(flagsOf(command).map(partsOfReference));
    });
  },
);

function usageOf({ name, args }: ReferenceCommand): string {
  if (name === "") return "ctr [global options] command [command options]";
  return `ctr ${name} [command options]${args === "" ? "" : ` ${args}`}`;
}

/** The first column of a COMMANDS section, without what only we have. */
function namesOf({ name }: ReferenceCommand, lines: readonly string[] = []): readonly string[] {
  const names = lines.map((line) => /^(\S+(?:, \S+)*) {2,}\S/.exec(line)?.[1] ?? line);
  return names.filter((word) => !ownCommands.includes(`${name} ${word}`.trim()));
}

function entriesOf(command: ReferenceCommand): readonly string[] {
  const paths = command.subcommands.map((word) => `${command.name} ${word}`.trim());
  const entries = referenceCommands.filter(({ name, hidden }) => paths.includes(name) && !hidden);
  return [...entries.map(({ name, aliases }) => [name.split(" ").at(-1), ...aliases].join(", ")), "help, h"];
}

const help = { name: "help", aliases: ["h"], type: "bool" };

function flagsOf({ name, flags }: ReferenceCommand): readonly ReferenceFlag[] {
  const shown = flags.filter(({ hidden }) => !hidden);
  // The program's own help and version are in the reference; all others have help alone.
  return name === ""
    ? shown
    : [...shown, { ...help, default: false, env: [], hidden: false, required: false, since: "", meaning: "" }];
}

/** An option line: what is to be typed, and what follows the words. */
function partsOfFlag(line: string): Parts {
  const found = /^(-.*?) {2,}(\S.*?)((?: \(default: [^()]*\))?(?: \[\$\w+\])?)$/.exec(line);
  return { typed: found?.[1] ?? line, extras: found?.[3] ?? "" };
}

interface Parts {
  readonly typed: string;
  readonly extras: string;
}

function partsOfReference(flag: ReferenceFlag): Parts {
  const value = flag.type === "bool" ? "" : " value";
  const typed = [flag.name, ...flag.aliases]
    .map((word) => `${word.length === 1 ? "-" : "--"}${word}${value}`)
    .join(", ");
  const isSlice = flag.type.endsWith("Slice");
  const builtIn = flag.name === "help" || flag.name === "version";
  const env = flag.env.map((variable) => ` [$${variable}]`).join("");
  return {
    typed: isSlice ? `${typed} [ ${typed} ]` : typed,
    extras: isSlice || builtIn ? env : `${defaultOf(flag)}${env}`,
  };
}

function defaultOf(flag: ReferenceFlag): string {
  const host = `linux/${process.arch === "x64" ? "amd64" : `${process.arch}/v8`}`;
  const value = flag.default === "<host platform>" ? host : flag.default;
  if (value === "") return "";
  return ` (default: ${flag.type === "string" ? JSON.stringify(value) : value})`;
}

test("hidden flags work and are not shown", async () => {
  const sections = await helpOf(["images", "pull"]);
  expect((sections.get("OPTIONS:") ?? []).join("\n")).not.toContain("--all-metadata ");
  const { stderr } = await run([ourCtr, "images", "pull", "--all-metadata"]);
  expect(stderr).toBe("ctr: please provide an image reference to pull\n");
});

test("ctr help images pull shows images, as the Go ctr does", async () => {
  const words = [
    ["help", "images", "pull"],
    ["h", "images"],
    ["images"],
    ["images", "help"],
    ["images", "h"],
    ["i", "-h"],
  ];
  const texts = await Promise.all(words.map((line) => run([ourCtr, ...line])));
  const [group] = texts;
  for (const text of texts) expect(text).toEqual(group ?? text);
});

/** Groups that the Go ctr 1.6 has. */
const oldGroups = referenceCommands.filter(({ group, isNew }) => group && !isNew);

test.each(oldGroups.map(({ name }) => [`ctr ${name}`.trim(), name] as const))(
  "--generate-bash-completion of %s has the words of the Go ctr 1.6",
  async (_title, name) => {
    const words = [...name.split(" ").filter(Boolean), "--generate-bash-completion"];
    const [ours, theirs] = await Promise.all([run([ourCtr, ...words]), run([goCtr, ...words])]);
    const offered = ours.stdout.split("\n");
    const missing = theirs.stdout.split("\n").filter((word) => !offered.includes(word));
    expect({ code: ours.code, stderr: ours.stderr, missing }).toEqual({ code: 0, stderr: "", missing: [] });
  },
);
