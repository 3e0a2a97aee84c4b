import { hasCode } from "@ctr/api";
import { getContainer } from "./metadata/containers.ts";
import type { ContainerSource } from "./runtime/task-context.ts";

/** What the runtime needs of a container's record. */
export const containerOfTask: ContainerSource = (tx, namespace, id) => {
  try {
    const { runtime, spec, sandbox } = getContainer(tx, namespace, id);
    return { runtime: runtime?.name ?? "", runtimeOptions: runtime?.options, spec, sandbox };
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
};
