/** One kind of token that must differ between two runs of the same command, and why. */
export interface Mask {
  readonly token: RegExp;
  readonly word: string;
  readonly reason: string;
}

/**
 * The one list of what is not compared. A mask replaces a token, never a line, and keeps the token's width class out of
 * the question only where its reason says so.
 */
export const masks: readonly Mask[] = [
  {
    token: /\bdiff-(?:ours|base)\b/g,
    word: "<namespace>",
    reason: "each tool works in a namespace of its own, of equal length",
  },
  {
    token: /\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: \+0000 UTC|Z|[+-]\d\d:\d\d)?/g,
    word: "<time>",
    reason: "the two commands run one after the other",
  },
  {
    token: /\b\d{1,9}-[\w-]{4}(?![\w-])/g,
    word: "<random lease id>",
    reason: "nanoseconds and four random characters",
  },
  {
    token: /\bextract-\d{1,9}-[\w-]{4}(?![\w-])/g,
    word: "<extract key>",
    reason: "nanoseconds and four random characters",
  },
  {
    token: /(?<=snapshots\/)\d+(?=[/ "])/g,
    word: "<n>",
    reason: "snapshot directories are numbered through the whole daemon",
  },
  { token: /(?<=done: )[\d.]+(?:µs|ms|s)/g, word: "<duration>", reason: "how long an unpack took" },
  {
    token: /(?<=elapsed: )[\d.]+ *s\s*/g,
    word: "<seconds>",
    reason: "how long a transfer took; the cell's padding with it",
  },
  {
    token: /(?<=total: ) *[\d.]+ ?[KMG]?i?B?\s*\([\d.]+ [KMGi]*B\/s\)\s*/g,
    word: "<rate>",
    reason: "bytes seen by the last frame depend on speed",
  },
  {
    token: /(?<=\t)(?:Less than a second|About a minute|\d+ (?:seconds?|minutes))\s*(?=\t|$)/gm,
    word: "<age>\t",
    reason: "ages in content tables move while the test runs",
  },
  { token: /(?<=\tAGE)\t+/g, word: "<as wide as the ages>\t", reason: "the header is as wide as the widest age" },
];

/** `text` with every token that must differ replaced by its word. */
export function mask(text: string): string {
  return masks.reduce((masked, { token, word }) => masked.replace(token, word), text);
}
