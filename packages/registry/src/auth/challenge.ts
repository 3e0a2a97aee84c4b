export type AuthScheme = "bearer" | "digest" | "basic";

/** What a server asks for. RFC 9110 section 11.6.1. */
export interface Challenge {
  readonly scheme: AuthScheme;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const preference: readonly AuthScheme[] = ["bearer", "digest", "basic"];

/** Reads WWW-Authenticate fields, one challenge each; the best first. Schemes nobody knows are dropped. */
export function parseChallenges(fields: readonly string[]): readonly Challenge[] {
  return fields
    .flatMap((field) => parseChallenge(field) ?? [])
    .toSorted((a, b) => preference.indexOf(a.scheme) - preference.indexOf(b.scheme));
}

function parseChallenge(field: string): Challenge | undefined {
  const match = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(.*)$/s.exec(field);
  const word = match?.[1]?.toLowerCase();
  const scheme = preference.find((one) => one === word);
  return scheme === undefined ? undefined : { scheme, parameters: parseParameters(match?.[2] ?? "") };
}

/** `name=token` or `name="quoted \" text"`, parted by commas; stops at what it cannot read. */
function parseParameters(text: string): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  const pattern = /[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/gsy;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [, name = "", quoted, token] = match;
    parameters[name.toLowerCase()] ??= quoted === undefined ? (token ?? "") : quoted.replace(/\\(.)/gs, "$1");
  }
  return parameters;
}
