import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../store/store.ts";
import { removeBundle, removeDeadSocket } from "./bundle.ts";
import { isMade, sandboxLock, sandboxPaths } from "./sandbox-paths.ts";
import { namesByNamespace } from "./state-names.ts";
import { killProcessesIn } from "./stray-processes.ts";

/** Removes sandboxes whose process was killed while it made them, with the shim it may have started. */
export async function removeStraySandboxes(store: Store): Promise<void> {
  for (const { namespace, name } of namesByNamespace(join(store.state, "sandboxes"))) {
    await removeStray(store, namespace, name);
  }
}

/** Whoever holds the sandbox's lock is at work on it, and will end what he does. */
async function removeStray(store: Store, namespace: string, name: string): Promise<void> {
  // A name that begins with a dot is a bundle half removed: ids never do.
  const paths = sandboxPaths(store, namespace, name.replace(/^\./, ""));
  using lock = store.locks.tryOf(sandboxLock(namespace, paths.id));
  if (lock === undefined) return;
  if (name.startsWith(".")) rmSync(join(paths.bundle, "..", name), { recursive: true, force: true });
  if (isMade(paths)) return;
  await killProcessesIn(paths.bundle);
  removeDeadSocket(paths.bundle);
  await removeBundle(paths);
}
