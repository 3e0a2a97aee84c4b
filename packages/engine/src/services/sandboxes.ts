import type { sandboxV1 } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { createSandbox, deleteSandbox, getSandbox, listSandboxes, updateSandbox } from "../metadata/sandboxes.ts";
import { scopeOf } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { required } from "./wire.ts";

/** containerd.services.sandbox.v1.Store. */
export function sandboxStoreService(store: Store): ServiceImpl<typeof sandboxV1.StoreDefinition> {
  return {
    async create(req, context) {
      const { namespace } = scopeOf(context);
      const wanted = required(req.sandbox, "sandbox");
      return { sandbox: store.db.write((tx) => createSandbox(store, tx, namespace, wanted)) };
    },

    async update(req, context) {
      const { namespace } = scopeOf(context);
      const given = required(req.sandbox, "sandbox");
      const change = { given, paths: req.fields };
      return { sandbox: store.db.write((tx) => updateSandbox(store, tx, namespace, change)) };
    },

    async delete({ sandboxId }, context) {
      const { namespace } = scopeOf(context);
      store.db.write((tx) => deleteSandbox(tx, namespace, sandboxId));
      return {};
    },

    async list({ filters }, context) {
      const { namespace } = scopeOf(context);
      return { list: store.db.read((tx) => listSandboxes(tx, namespace, filters)) };
    },

    async get({ sandboxId }, context) {
      const { namespace } = scopeOf(context);
      return { sandbox: store.db.read((tx) => getSandbox(tx, namespace, sandboxId)) };
    },
  };
}
