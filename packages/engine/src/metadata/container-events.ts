import { containerEvents, type containersV1, type protobufAny } from "@ctr/api";
import { publish } from "../events/journal.ts";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";

export type ContainerEvent =
  | { readonly kind: "create" | "update"; readonly container: containersV1.Container }
  | { readonly kind: "delete"; readonly id: string };

/** Tells of a change to a container. */
export function publishContainer(store: Store, tx: WriteTx, namespace: string, event: ContainerEvent): void {
  publish(store, tx, { namespace, topic: `/containers/${event.kind}`, event: encode(event) });
}

function encode(event: ContainerEvent): protobufAny.Any {
  const { ContainerCreate, ContainerDelete, ContainerUpdate } = containerEvents;
  switch (event.kind) {
    case "create": {
      const { id, image, runtime } = event.container;
      const value = ContainerCreate.encode(ContainerCreate.fromPartial({ id, image, runtime })).finish();
      return { typeUrl: "containerd.events.ContainerCreate", value };
    }
    case "update": {
      const { id, image, labels, snapshotKey } = event.container;
      const value = ContainerUpdate.encode(ContainerUpdate.fromPartial({ id, image, labels, snapshotKey })).finish();
      return { typeUrl: "containerd.events.ContainerUpdate", value };
    }
    case "delete": {
      const value = ContainerDelete.encode(ContainerDelete.fromPartial({ id: event.id })).finish();
      return { typeUrl: "containerd.events.ContainerDelete", value };
    }
    default:
      return event satisfies never;
  }
}
