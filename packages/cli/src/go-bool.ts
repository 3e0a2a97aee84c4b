const truths: readonly string[] = ["1", "t", "T", "TRUE", "true", "True"];
const untruths: readonly string[] = ["0", "f", "F", "FALSE", "false", "False"];

/** Go's words for a truth value; undefined for any other. */
export function parseGoBool(text: string): boolean | undefined {
  if (truths.includes(text)) return true;
  return untruths.includes(text) ? false : undefined;
}
