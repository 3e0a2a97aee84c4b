import { LEASE_OWNER_HEADER, type leasesV1, protobufEmpty } from "@ctr/api";
import type { CallContext, ServiceImpl } from "@ctr/rpc";
import { processState } from "@ctr/sys";
import {
  addLeaseResource,
  createLease,
  deleteLease,
  deleteLeaseResource,
  hasOwner,
  listLeaseResources,
  listLeases,
} from "../metadata/leases.ts";
import { scopeOf } from "../scope.ts";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { required } from "./wire.ts";

/** containerd.services.leases.v1.Leases. */
export function leasesService(store: Store): ServiceImpl<typeof leasesV1.LeasesDefinition> {
  return {
    async create({ id, labels }, context) {
      const { namespace } = scopeOf(context);
      const owner = ownerOf(context);
      const make = (tx: WriteTx) => createLease(store, tx, namespace, { id, labels, owner });
      // One that ends with a process need not outlive the power; what it is to keep is written later.
      return { lease: owner === "" ? store.db.write(make) : store.db.writeUnsynced(make) };
    },

    async delete({ id, sync }, context) {
      const { namespace } = scopeOf(context);
      const owned = store.db.read((tx) => hasOwner(tx, namespace, id));
      const remove = (tx: WriteTx) => deleteLease(tx, namespace, id);
      if (owned) store.db.writeUnsynced(remove);
      else store.db.write(remove);
      if (sync) await (await import("../gc/collect.ts")).collect(store, context);
      return protobufEmpty.Empty.fromPartial({});
    },

    async list({ filters }, context) {
      const { namespace } = scopeOf(context);
      return { leases: store.db.read((tx) => listLeases(tx, namespace, filters)) };
    },

    async addResource(req, context) {
      const { namespace } = scopeOf(context);
      const resource = required(req.resource, "resource");
      store.db.write((tx) => addLeaseResource(tx, namespace, req.id, resource));
      return protobufEmpty.Empty.fromPartial({});
    },

    async deleteResource(req, context) {
      const { namespace } = scopeOf(context);
      const resource = required(req.resource, "resource");
      store.db.write((tx) => deleteLeaseResource(tx, namespace, req.id, resource));
      return protobufEmpty.Empty.fromPartial({});
    },

    async listResources({ id }, context) {
      const { namespace } = scopeOf(context);
      return { resources: store.db.read((tx) => listLeaseResources(tx, namespace, id)) };
    },
  };
}

/** Only a process that can be watched from here may own a lease: any other would seem to be gone at once. */
function ownerOf(context: CallContext): string {
  const owner = context.metadata[LEASE_OWNER_HEADER];
  return typeof owner === "string" && processState(owner) === "alive" ? owner : "";
}
