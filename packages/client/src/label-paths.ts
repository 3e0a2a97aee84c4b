import type { Labels } from "@ctr/oci";

/** Update mask that names each label: the other labels stay. */
export function labelPaths(labels: Labels): string[] {
  return Object.keys(labels).map((key) => `labels.${key}`);
}
