import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunRecord } from "../../e2e/support/record.ts";
import { entryWords } from "../../packages/cli/src/command.ts";
import type { FlagSpecs } from "../../packages/cli/src/flag.ts";
import { type ParsedFlags, parseFlags } from "../../packages/cli/src/flags.ts";
import { programFlags } from "../../packages/cli/src/globals.ts";
import { resolveCommand } from "../../packages/cli/src/resolve.ts";
import { commandTable } from "../../packages/cli/src/table.ts";

/** Whom a command of a test talked to. */
export type Backend = "containerd 1.6" | "embedded" | "serve" | "stand-in for 2.x" | "none";

/** One command line of a test, understood. */
export interface Run {
  readonly file: string;
  readonly test: string;
  readonly backend: Backend;
  /** `images pull`; empty for the program itself. */
  readonly command: string;
  /** As rows of the report name them: `images pull --local`, `--namespace`. */
  readonly flags: ReadonlySet<string>;
  readonly code: number;
}

/** Reads what the tests wrote down; lines that are no command of ours (a wrong word, a wrong flag) are left out. */
export async function readRuns(folder: string): Promise<readonly Run[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".jsonl"));
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  const lines = texts.flatMap((text) => text.split("\n")).filter(Boolean);
  // `e2e/support/record.ts` wrote each line from this type.
  const runs = await Promise.all(lines.map((line) => understand(JSON.parse(line) as RunRecord)));
  return runs.filter((run) => run !== undefined);
}

async function understand({ file, test, argv, env, code }: RunRecord): Promise<Run | undefined> {
  if (argv[0] === "__complete") return undefined;
  const common = { file, test, code };
  if (argv.at(-1) === "--generate-bash-completion") {
    return { ...common, backend: "none", command: "", flags: new Set(["--generate-bash-completion"]) };
  }
  const globals = parsed(programFlags, argv, env);
  if (!globals) return undefined;
  const flags = [...globals.given].map((name) => `--${name}`);
  const chosen = await resolveCommand(commandTable(), globals.positionals, env);
  if (chosen.kind === "help")
    return { ...common, backend: "none", command: "", flags: new Set(helpFlags(argv, flags)) };
  if (chosen.kind !== "run") return undefined;
  const command = chosen.path.slice(1).join(" ");
  const own = [...chosen.given].map((name) => `${command} --${name}`);
  const above = await groupFlags(globals.positionals, env);
  const backend = backendOf(String(globals.values["address"]), globals.given.has("address"), file);
  return { ...common, backend, command, flags: new Set([...flags, ...own, ...above]) };
}

function parsed(specs: FlagSpecs, words: readonly string[], env: RunRecord["env"]): ParsedFlags | undefined {
  try {
    return parseFlags(specs, words, { env, stopAt: "first" });
  } catch {
    return undefined;
  }
}

function helpFlags(argv: readonly string[], flags: readonly string[]): readonly string[] {
  return argv.some((word) => word === "--help" || word === "-h") ? [...flags, "--help"] : flags;
}

/** Flags between a group's word and the command's, which belong to the group. */
async function groupFlags([word = "", ...rest]: readonly string[], env: RunRecord["env"]): Promise<readonly string[]> {
  const heading = commandTable().find((item) => entryWords(item).includes(word));
  const group = await heading?.load();
  if (group?.kind !== "group") return [];
  return [...(parsed(group.flags, rest, env)?.given ?? [])].map((name) => `${group.name} --${name}`);
}

function backendOf(address: string, given: boolean, file: string): Backend {
  if (address === "embedded" || address.startsWith("embedded://")) return "embedded";
  if (!given) return "none";
  if (address.includes("/ctr-serve-")) return "serve";
  if (file.startsWith("transfer/") && address.includes("/ctr-transfer-")) return "stand-in for 2.x";
  return address.includes("/ctr-e2e-") ? "containerd 1.6" : "none";
}
