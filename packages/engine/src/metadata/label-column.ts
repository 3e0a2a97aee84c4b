import type { Labels } from "@ctr/oci";

/** Labels out of a column; what `labelsToColumn` wrote. */
export function labelsFromColumn(text: string): Labels {
  // Most have none, and lists have thousands.
  return text === "{}" ? {} : (JSON.parse(text) as Labels);
}
