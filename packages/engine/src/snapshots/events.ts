import { snapshotEvents } from "@ctr/api";
import { publish } from "../events/journal.ts";
import type { WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import type { SnapshotSpace } from "./records.ts";

export type SnapshotEvent =
  | { readonly kind: "prepare"; readonly key: string; readonly parent: string }
  | { readonly kind: "commit"; readonly key: string; readonly name: string }
  | { readonly kind: "remove"; readonly key: string };

/** Writes the event of a change to the journal. A view is made without one. */
export function publishSnapshot(store: Store, tx: WriteTx, space: SnapshotSpace, event: SnapshotEvent): void {
  const { namespace, snapshotter } = space;
  publish(store, tx, { namespace, topic: `/snapshot/${event.kind}`, event: encode(event, snapshotter) });
}

function encode(event: SnapshotEvent, snapshotter: string) {
  const { SnapshotCommit, SnapshotPrepare, SnapshotRemove } = snapshotEvents;
  switch (event.kind) {
    case "prepare": {
      const value = SnapshotPrepare.encode(SnapshotPrepare.fromPartial({ ...event, snapshotter })).finish();
      return { typeUrl: "containerd.events.SnapshotPrepare", value };
    }
    case "commit": {
      const value = SnapshotCommit.encode(SnapshotCommit.fromPartial({ ...event, snapshotter })).finish();
      return { typeUrl: "containerd.events.SnapshotCommit", value };
    }
    case "remove": {
      const value = SnapshotRemove.encode(SnapshotRemove.fromPartial({ ...event, snapshotter })).finish();
      return { typeUrl: "containerd.events.SnapshotRemove", value };
    }
  }
}
