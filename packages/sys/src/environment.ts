/** An environment as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Steers the runtime we are built on, or this program: either way what a program we start has no business with. */
const OURS = /^(?:BUN|NODE|CTR)_/;

/** `env` for a program that we start: without what steers us. */
export function scrubbedEnvironment(env: Environment = process.env): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => !OURS.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}

/** The same for a program that outlives us and asks no registry: without the passwords of proxies, too. */
export function lastingEnvironment(env: Environment = process.env): Record<string, string> {
  const entries = Object.entries(scrubbedEnvironment(env));
  return Object.fromEntries(entries.filter(([name, value]) => !/_proxy$/i.test(name) || !value.includes("@")));
}
