import { camelCase } from "./camel-case.ts";
import type { CommandContext, Entry, Globals } from "./command.ts";
import type { FlagSpecs } from "./flag.ts";
import { type Environment, type ParsedFlags, UsageError } from "./flags.ts";
import { globalsOf, readGlobals } from "./globals.ts";
import { completionWords, type Resolution, resolveCommand } from "./resolve.ts";
import { openSession } from "./session.ts";
import { type Input, type Output, openInput, openOutput, ReaderGone } from "./streams.ts";
import { globalFlags } from "./table/global-flags.ts";
import { commandTable } from "./table.ts";
import { PACKAGE, VERSION } from "./version.ts";

/** What a run of the program may touch; a test hands in its own. */
export interface Surroundings {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
}

/** Exit codes of the contract; a command may return others. */
const FAILURE = 1;
const UNKNOWN_COMMAND = 3;
/** What a shell says of a program that SIGPIPE ended. */
const BROKEN_PIPE = 141;

/** Runs one command line (without the program's name) and says how the process should exit. */
export function runCtr(words: readonly string[], around: Surroundings): Promise<number> {
  return dispatch(words, around).catch((error: unknown) => report(error, words, around));
}

async function dispatch(words: readonly string[], around: Surroundings): Promise<number> {
  if (words[0] === "__complete") {
    const { complete } = await import("./completion/complete.ts");
    await around.stdout.write(await complete(words.slice(1), around.env));
    return 0;
  }
  if (words[words.length - 1] === "--generate-bash-completion") {
    const found = await completionWords(commandTable(), words.slice(0, -1));
    await around.stdout.write(found.map((word) => `${word}\n`).join(""));
    return 0;
  }
  const global = globalsOrMisuse(words, around.env);
  if (global instanceof UsageError) return misuse(global, await helpText(undefined, []), around);
  if (global.values["version"] === true) {
    await around.stdout.write(`ctr ${PACKAGE} ${VERSION}\n`);
    return 0;
  }
  const resolution: Resolution = global.help
    ? { kind: "help", entry: undefined, path: ["ctr"] }
    : await resolveCommand(commandTable(), global.positionals, around.env);
  return perform(resolution, global, around);
}

function perform(resolution: Resolution, global: ParsedFlags, around: Surroundings): Promise<number> {
  if (resolution.kind === "run") return runCommand(resolution, globalsOf(global), around);
  return explain(resolution, around);
}

/** What is said where no command runs. */
async function explain(
  resolution: Exclude<Resolution, { readonly kind: "run" }>,
  around: Surroundings,
): Promise<number> {
  switch (resolution.kind) {
    case "help":
      await around.stdout.write(await helpText(resolution.entry, resolution.path));
      return 0;
    case "unknown":
      await around.stderr.write(`No help topic for '${resolution.word}'\n`);
      return UNKNOWN_COMMAND;
    case "misuse": {
      const help = resolution.entry ? await helpText(resolution.entry, resolution.path) : undefined;
      return misuse(resolution.error, help, around);
    }
    default:
      return resolution satisfies never;
  }
}

function globalsOrMisuse(words: readonly string[], env: Environment): ParsedFlags | UsageError {
  try {
    return readGlobals(words, env);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

async function runCommand(
  chosen: Resolution & { readonly kind: "run" },
  globals: Globals,
  around: Surroundings,
): Promise<number> {
  const run = await chosen.entry.load();
  const session = openSession(globals, around);
  const context: CommandContext<FlagSpecs> = {
    args: chosen.args,
    // The values of the chosen entry's own declaration; `entry` hands them on under its types.
    flags: camelCased(chosen.flags) as CommandContext<FlagSpecs>["flags"],
    given: (name) => chosen.given.has(name),
    globals,
    stdin: around.stdin,
    stdout: around.stdout,
    stderr: around.stderr,
    env: around.env,
    log: session.log,
    signal: session.signal,
    connect: () => session.connect(),
  };
  let code: number | undefined;
  try {
    code = (await run(context)) ?? undefined;
  } catch (error) {
    // What fails first is what is told. `await using` would do the same, and takes the runtime 0.03 ms to begin with.
    await session.close().catch(() => {});
    throw error;
  }
  await session.close();
  return code ?? 0;
}

function camelCased(flags: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const cased: Record<string, unknown> = {};
  for (const name in flags) cased[camelCase(name)] = flags[name];
  return cased;
}

async function misuse(error: UsageError, help: string | undefined, around: Surroundings): Promise<number> {
  const required = error.message.startsWith("Required flag");
  if (help !== undefined) await around.stdout.write(required ? help : `Incorrect Usage: ${error.message}\n\n${help}`);
  await around.stderr.write(`ctr: ${error.message}\n`);
  return FAILURE;
}

async function helpText(entry: Entry | undefined, path: readonly string[]): Promise<string> {
  const { entryHelp, rootHelp } = await import("./help.ts");
  return entry ? entryHelp(entry, path) : rootHelp({ version: VERSION, flags: globalFlags, headings: commandTable() });
}

async function report(error: unknown, words: readonly string[], around: Surroundings): Promise<number> {
  // `ctr … | head`: the reader has what it wanted.
  if (error instanceof ReaderGone) return BROKEN_PIPE;
  const [{ describeFailure, ExitError }, { interruptBehind }] = await Promise.all([
    import("./errors.ts"),
    import("./signals.ts"),
  ]);
  if (error instanceof ExitError) {
    await around.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  const debug = words.some((word) => /^--?debug(=(1|t|true|T|TRUE|True))?$/.test(word));
  await around.stderr.write(describeFailure(error, { debug }));
  return interruptBehind(error)?.exitCode ?? FAILURE;
}

/** A command that computes for longer is worth compiling: the executable starts in no hurry to do so. */
const LASTING_MS = 3000;
/** How long one that mostly waits goes unwatched, in the end. */
const MAX_LOOK_MS = 5000;

/** By processor time: of many commands at once each takes long, and none would gain. */
function compileWhatLasts(lookMs = LASTING_MS): void {
  setTimeout(() => {
    const { user, system } = process.cpuUsage();
    if (user + system >= LASTING_MS * 1000) Bun.unsafe.setJITPolicy(1);
    else compileWhatLasts(Math.min(lookMs * 2, MAX_LOOK_MS));
  }, lookMs);
}

/** The process around `runCtr`. */
export async function main(): Promise<void> {
  compileWhatLasts();
  const stdout = openOutput(1);
  const stderr = openOutput(2);
  process.exitCode = await runCtr(Bun.argv.slice(2), { stdin: openInput(), stdout, stderr, env: process.env });
  // What a command left open (a listener, a socket that still says goodbye) must not keep the shell waiting.
  process.exit();
}

if (import.meta.main) void main();
