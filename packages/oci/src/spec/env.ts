import { type SpecOption, withProcess } from "./option.ts";

/** The PATH of an image that sets no environment. */
export const defaultEnv: readonly string[] = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/**
 * `overrides` laid over `defaults`: an entry with `=` replaces the default of its name in place or is appended, one
 * without removes it.
 */
export function mergeEnv(defaults: readonly string[], overrides: readonly string[]): readonly string[] {
  const results: (string | undefined)[] = [...defaults];
  const places = new Map(defaults.map((entry, index) => [nameOf(entry), index]));
  for (const entry of overrides) {
    const place = places.get(nameOf(entry));
    if (!entry.includes("=")) {
      if (place !== undefined) results[place] = undefined;
    } else if (place === undefined) results.push(entry);
    else results[place] = entry;
  }
  return results.filter((entry): entry is string => entry !== undefined && entry !== "");
}

function nameOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals < 0 ? entry : entry.slice(0, equals);
}

/** `--env`: entries over what the process has. */
export function withEnv(entries: readonly string[]): SpecOption {
  return (spec) => withProcess(spec, { env: mergeEnv(spec.process?.env ?? [], entries) });
}

/** `--env-file`: every line an entry; those without `=` drop out. */
export function withEnvFile(path: string): SpecOption {
  return async (spec, { host }) => {
    const text = new TextDecoder().decode(await host.readFile(path));
    const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
    return withProcess(spec, { env: mergeEnv(spec.process?.env ?? [], lines) });
  };
}
