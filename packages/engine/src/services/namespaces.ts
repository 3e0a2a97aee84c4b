import { type namespacesV1, protobufEmpty } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  namespaceLabels,
  updateNamespace,
} from "../metadata/namespaces.ts";
import type { Store } from "../store/store.ts";
import { required } from "./wire.ts";

/** containerd.services.namespaces.v1.Namespaces; calls need no namespace of their own. */
export function namespacesService(store: Store): ServiceImpl<typeof namespacesV1.NamespacesDefinition> {
  return {
    async get({ name }) {
      return {
        namespace: { name, labels: { ...defaultLabels(), ...store.db.read((tx) => namespaceLabels(tx, name)) } },
      };
    },

    async list() {
      return { namespaces: store.db.read(listNamespaces) };
    },

    async create(req) {
      const wanted = required(req.namespace, "namespace");
      return { namespace: store.db.write((tx) => createNamespace(store, tx, wanted)) };
    },

    async update(req) {
      const wanted = required(req.namespace, "namespace");
      store.db.write((tx) => updateNamespace(store, tx, wanted, req.updateMask ?? []));
      // containerd answers nothing; clients do not look.
      return {};
    },

    async delete({ name }) {
      store.db.write((tx) => deleteNamespace(store, tx, name));
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}

/**
 * What a client is to take when it names nothing, as namespaces tell it: overlay mounts need privilege, so an ordinary
 * user's default is the snapshotter that copies.
 */
function defaultLabels(): Readonly<Record<string, string>> {
  return process.geteuid?.() === 0 ? {} : { "containerd.io/defaults/snapshotter": "native" };
}
