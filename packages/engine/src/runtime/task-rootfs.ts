import { hasCode, introspectionTypes } from "@ctr/api";
import type { Mount } from "@ctr/oci";
import { needsManager } from "../mounts/plan.ts";
import type { TaskContext } from "./task-context.ts";
import type { TaskPaths } from "./task-paths.ts";

/** Types of mounts, with commas between them. */
const ALLOW_ANNOTATION = "containerd.io/runtime-allow-mounts";
/** Keeps the mounts of a task's root filesystem for as long as its container is there. */
const KEEP_LABEL = "containerd.io/gc.bref.container";

/** What of a task's root filesystem is left for the shim to mount: all of it, unless it takes more than the kernel. */
export async function activateRootfs(
  { store }: Pick<TaskContext, "store">,
  { namespace, id }: Pick<TaskPaths, "namespace" | "id">,
  { rootfs, shim }: { readonly rootfs: readonly Mount[]; readonly shim: string },
  signal: AbortSignal,
): Promise<readonly Mount[]> {
  if (!needsManager(rootfs)) return rootfs;
  const allowed = await mountsOfShim(shim, signal);
  const { Activations } = await import("../mounts/activations.ts");
  const activations = new Activations(store, { namespace, lease: undefined });
  const labels = { [KEEP_LABEL]: id };
  try {
    return (await activations.activate(id, rootfs, { signal, labels, temporary: false, allowed })).system;
  } catch (error) {
    // The shim does all of it.
    if (hasCode(error, "unimplemented")) return rootfs;
    throw error;
  }
}

/** The mounts that a shim says it does itself; none where it says nothing, as before 1.7. */
async function mountsOfShim(shim: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const { runtimeInfo } = await import("./runtime-info.ts");
  const { RuntimeInfo, RuntimeRequest } = introspectionTypes;
  const value = RuntimeRequest.encode(RuntimeRequest.fromPartial({ runtimePath: shim })).finish();
  try {
    const info = await runtimeInfo({ typeUrl: "containerd.types.RuntimeRequest", value }, { signal });
    const list = RuntimeInfo.decode(info.value).annotations[ALLOW_ANNOTATION] ?? "";
    return new Set(list.split(",").filter(Boolean));
  } catch (error) {
    if (hasCode(error, "unimplemented")) return new Set();
    throw error;
  }
}

/** Takes down what was mounted for a task that is gone. */
export async function releaseRootfs(
  { store }: Pick<TaskContext, "store">,
  { namespace, id }: Pick<TaskPaths, "namespace" | "id">,
  signal: AbortSignal,
): Promise<void> {
  const sql = "SELECT labels FROM activations WHERE namespace = ? AND name = ?";
  const row = store.db.read((tx) => tx.get<{ readonly labels: string }>(sql, namespace, id));
  // One of that name without our label is somebody else's.
  if (row === undefined || !row.labels.includes(`"${KEEP_LABEL}":"${id}"`)) return;
  const { Activations } = await import("../mounts/activations.ts");
  await new Activations(store, { namespace, lease: undefined }).deactivate(id, { signal }).catch(() => {
    // The task is gone all the same; what is in use now, a collection tries again.
    signal.throwIfAborted();
  });
}
