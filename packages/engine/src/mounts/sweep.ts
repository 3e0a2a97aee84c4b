import { readdirSync } from "node:fs";
import type { Cancel } from "@ctr/oci";
import type { Store } from "../store/store.ts";
import { activationDir, mountsDir } from "./places.ts";
import { activationIds } from "./records.ts";
import { takeDown } from "./take-down.ts";

/**
 * Takes down what stands under a directory that no row names: rows go first, and may have been all that a killed process
 * got to. What is in use goes out of sight. A directory is made after its row, so names are read before rows.
 */
export async function sweepActivations(store: Store, options: Cancel): Promise<void> {
  const names = readdirSync(mountsDir(store));
  const known = store.db.read(activationIds);
  for (const name of names.filter((each) => !known.has(each))) {
    await takeDown(activationDir(store, name), { ...options, detach: true }).catch(() => {
      // Another process may be at the same; whatever keeps it from going, a later collection tries again.
      options.signal.throwIfAborted();
    });
  }
}
