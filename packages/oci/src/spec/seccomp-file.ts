import { refuse } from "./option.ts";
import type { SpecSeccomp } from "./types.ts";

/** Reads a seccomp profile. Throws where it is no JSON object. */
export function parseSeccomp(path: string, bytes: Uint8Array): SpecSeccomp {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw refuse(
      `decoding seccomp profile failed "${path}": ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refuse(`decoding seccomp profile failed "${path}": it is no JSON object`);
  }
  // The runtime judges the members; they are carried, not read.
  return value as SpecSeccomp;
}
