import { type containersV1, protobufEmpty } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import {
  createContainer,
  deleteContainer,
  getContainer,
  listContainers,
  updateContainer,
} from "../metadata/containers.ts";
import { scopeOf } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { required } from "./wire.ts";

/** containerd.services.containers.v1.Containers. */
export function containersService(store: Store): ServiceImpl<typeof containersV1.ContainersDefinition> {
  return {
    async get({ id }, context) {
      const { namespace } = scopeOf(context);
      return { container: store.db.read((tx) => getContainer(tx, namespace, id)) };
    },

    async list({ filters }, context) {
      const { namespace } = scopeOf(context);
      return { containers: store.db.read((tx) => listContainers(tx, namespace, filters)) };
    },

    async *listStream({ filters }, context) {
      const { namespace } = scopeOf(context);
      for (const container of store.db.read((tx) => listContainers(tx, namespace, filters))) yield { container };
    },

    async create(req, context) {
      const { namespace } = scopeOf(context);
      const wanted = required(req.container, "container");
      return { container: store.db.writeSettled((tx) => createContainer(store, tx, namespace, wanted)) };
    },

    async update(req, context) {
      const { namespace } = scopeOf(context);
      const wanted = required(req.container, "container");
      const paths = req.updateMask ?? [];
      return { container: store.db.writeSettled((tx) => updateContainer(store, tx, namespace, wanted, paths)) };
    },

    async delete({ id }, context) {
      const { namespace } = scopeOf(context);
      store.db.writeSettled((tx) => deleteContainer(store, tx, namespace, id));
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}
