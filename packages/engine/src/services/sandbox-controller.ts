import { ContainerdError, type sandboxV1 } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { deleteSandbox, getSandbox } from "../metadata/sandboxes.ts";
import { scopeOf } from "../scope.ts";
import type { Store } from "../store/store.ts";

/**
 * containerd.services.sandbox.v1.Controller of an engine that runs no sandboxes: none is made, and the records of those that
 * were wanted can be removed.
 */
export function sandboxControllerService(store: Store): ServiceImpl<typeof sandboxV1.ControllerDefinition> {
  return {
    async create({ sandboxId }) {
      throw new ContainerdError({
        code: "unimplemented",
        what: `failed to create sandbox ${sandboxId}`,
        why: "this engine runs containers, not sandboxes",
        fix: "run its containers one by one, or name a containerd with --address",
      });
    },
    start: async ({ sandboxId }) => notRunning(sandboxId),
    platform: async ({ sandboxId }) => notRunning(sandboxId),
    wait: async ({ sandboxId }) => notRunning(sandboxId),
    status: async ({ sandboxId }) => notRunning(sandboxId),
    metrics: async ({ sandboxId }) => notRunning(sandboxId),
    update: async ({ sandboxId }) => notRunning(sandboxId),

    async stop({ sandboxId }, context) {
      const { namespace } = scopeOf(context);
      store.db.read((tx) => getSandbox(tx, namespace, sandboxId));
      return {};
    },

    async shutdown({ sandboxId }, context) {
      const { namespace } = scopeOf(context);
      store.db.write((tx) => deleteSandbox(tx, namespace, sandboxId));
      return {};
    },
  };
}

function notRunning(sandboxId: string): never {
  throw new ContainerdError({ code: "not_found", what: `sandbox ${JSON.stringify(sandboxId)} does not run` });
}
