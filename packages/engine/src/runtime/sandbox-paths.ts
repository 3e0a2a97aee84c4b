import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../store/store.ts";
import type { TaskPaths } from "./task-paths.ts";

/** Where the things of one sandbox are: laid out as a task's, so that its shim is started, found and buried like any. */
export function sandboxPaths(store: Store, namespace: string, id: string): TaskPaths {
  const bundle = join(store.state, "sandboxes", namespace, id);
  return {
    namespace,
    id,
    store: store.id,
    bundle,
    rootfs: join(bundle, "rootfs"),
    work: join(store.root, "sandbox-work", namespace, id),
  };
}

/** The name of a sandbox's lock: it covers creating, ending and cleaning up. */
export function sandboxLock(namespace: string, id: string): string {
  return `sandbox-${namespace}:${id}`;
}

const MADE = "made";

/** Notes that the shim has the sandbox: what a killed process left before that is debris. */
export function markMade({ bundle }: TaskPaths): void {
  writeFileSync(join(bundle, MADE), "", { mode: 0o600 });
}

export function isMade({ bundle }: TaskPaths): boolean {
  return existsSync(join(bundle, MADE));
}

/** Notes in a task's bundle whose shim it uses. */
export function writeSandboxOf(bundle: string, sandbox: string): void {
  writeFileSync(join(bundle, "sandbox"), sandbox, { mode: 0o600 });
}

/** The sandbox that a task's shim belongs to; undefined for a task with a shim of its own. */
export function readSandboxOf(bundle: string): string | undefined {
  const path = join(bundle, "sandbox");
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
