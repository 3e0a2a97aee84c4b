import { ContainerdError } from "@ctr/api";
import type { Labels } from "@ctr/oci";

export { labelsFromColumn } from "./label-column.ts";

/** Bytes of a label's key and value together; more is refused. */
const MAX_LABEL_BYTES = 4096;

/** Labels as a column holds them. Empty values mean "none" and are dropped; `invalid_argument` for one too long. */
export function labelsToColumn(labels: Labels): string {
  return JSON.stringify(checkLabels(labels));
}

/** `labels` without the empty ones. `invalid_argument` for a key and value of more than 4096 bytes. */
export function checkLabels(labels: Labels): Labels {
  const kept = Object.entries(labels).filter(([, value]) => value !== "");
  for (const [key, value] of kept) {
    const bytes = Buffer.byteLength(key) + Buffer.byteLength(value);
    if (bytes <= MAX_LABEL_BYTES) continue;
    throw new ContainerdError({
      code: "invalid_argument",
      what: `label key and value length (${bytes} bytes) greater than maximum size (${MAX_LABEL_BYTES} bytes)`,
      where: { key: key.slice(0, 64) },
    });
  }
  return Object.fromEntries(kept);
}
