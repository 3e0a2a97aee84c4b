import { readdirSync } from "node:fs";
import { join } from "node:path";
import { hasErrno } from "../store/disk-error.ts";

/** What a directory of the state holds by namespace: bundles, sandboxes. Names may begin with a dot: those are half removed. */
export function* namesByNamespace(dir: string): Generator<{ readonly namespace: string; readonly name: string }> {
  for (const namespace of namesIn(dir)) {
    for (const name of namesIn(join(dir, namespace))) yield { namespace, name };
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    // None was ever made, or its directory is being removed.
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
