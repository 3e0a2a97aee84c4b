import type { Labels } from "@ctr/oci";

/** `key=value` words as labels; a word without `=` means `true`, an empty value clears. */
export function parseLabels(words: readonly string[]): Labels {
  return Object.fromEntries(words.map(parseLabel));
}

function parseLabel(word: string): readonly [string, string] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word, "true"] : [word.slice(0, equals), word.slice(equals + 1)];
}

/** Labels as tables show them: `k=v` joined by commas, sorted; `none` where there are none. */
export function formatLabels(labels: Labels, none: string): string {
  const pairs: string[] = [];
  for (const key in labels) pairs.push(`${key}=${labels[key]}`);
  return pairs.length > 1 ? pairs.sort().join(",") : (pairs[0] ?? none);
}
