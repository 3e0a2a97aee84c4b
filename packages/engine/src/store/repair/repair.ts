import { claimRoot } from "../directories.ts";
import { defaultStateParent } from "../store.ts";
import { type Diagnosis, diagnoseStore } from "./diagnose.ts";
import { type Rebuilt, rebuildDatabase } from "./rebuild.ts";

/** The repair of a store that cannot be opened. */
export interface StoreRepair {
  /** Looks, and changes nothing. */
  diagnose(): Diagnosis;
  /** See `rebuildDatabase`. */
  rebuild(): Promise<Rebuilt>;
}

/** The repair of the store in `root`; opens nothing yet. */
export function openStoreRepair(root: string, options: { readonly stateParent?: string } = {}): StoreRepair {
  const stateParent = options.stateParent ?? defaultStateParent();
  return {
    diagnose: () => diagnoseStore(root),
    async rebuild() {
      claimRoot(root);
      return await rebuildDatabase(root, { stateParent });
    },
  };
}
