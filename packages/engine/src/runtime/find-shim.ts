import type { Store } from "../store/store.ts";
import { readShimAddress } from "./bundle.ts";
import { socketPathOf } from "./shim-address.ts";
import { taskPaths } from "./task-paths.ts";

/** The socket of the shim of a task, as its bundle tells; undefined when there is no such task. */
export function findShimSocket(store: Store, namespace: string, id: string): string | undefined {
  const address = readShimAddress(taskPaths(store, namespace, id).bundle)?.address;
  return address === undefined ? undefined : socketPathOf(address);
}
