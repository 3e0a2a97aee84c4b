import { getContainer } from "../metadata/containers.ts";
import type { ContainerSource } from "./task-context.ts";

/** The containers of the store itself. */
export const storedContainers: ContainerSource = (tx, namespace, id) => {
  const { runtime, spec } = getContainer(tx, namespace, id);
  return { runtime: runtime?.name ?? "", runtimeOptions: runtime?.options, spec };
};
