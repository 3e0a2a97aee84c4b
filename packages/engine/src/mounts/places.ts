import { join } from "node:path";
import type { Store } from "../store/store.ts";

/** Where the mounts of all activations stand; gone after the next boot, as they are. */
export function mountsDir(store: Pick<Store, "state">): string {
  return join(store.state, "mounts");
}

/** Where those of one stand, by their number from 1. */
export function activationDir(store: Pick<Store, "state">, id: bigint | string): string {
  return join(mountsDir(store), String(id));
}
