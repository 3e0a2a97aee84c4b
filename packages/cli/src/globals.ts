import type { Globals } from "./command.ts";
import { type Environment, type ParsedFlags, parseFlags } from "./flags.ts";
import { globalFlags } from "./table/global-flags.ts";

const versionFlag = { ...globalFlags.debug, summary: "print the version", aliases: ["v"] };

/** The flags before the command word, as the program knows them. */
export const programFlags = { ...globalFlags, version: versionFlag };

/** Reads the flags before the command word; the positionals begin with it. Throws `UsageError`. */
export function readGlobals(words: readonly string[], env: Environment): ParsedFlags {
  return parseFlags(programFlags, words, { env, stopAt: "first" });
}

/** What `readGlobals` read, under its types. */
export function globalsOf({ values, given }: ParsedFlags): Globals {
  // parseFlags filled these from globalFlags, whose kinds are those of Globals.
  const flags = values as unknown as {
    readonly debug: boolean;
    readonly address: string;
    readonly namespace: string;
    readonly timeout: bigint;
    readonly "connect-timeout": bigint;
  };
  return {
    debug: flags.debug,
    address: flags.address,
    addressGiven: given.has("address"),
    namespace: flags.namespace,
    timeout: flags.timeout,
    connectTimeout: flags["connect-timeout"],
  };
}
