import { protobufEmpty, type transferV1 } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { scopeOf } from "../scope.ts";
import type { Store } from "../store/store.ts";
import { underLease } from "../transfer/lease.ts";
import { TransferProgress } from "../transfer/progress.ts";
import type { StreamTable } from "../transfer/streams.ts";
import { transfer } from "../transfer/transfer.ts";

/** containerd.services.transfer.v1.Transfer; its streams are those that the same client opened beside the call. */
export function transferService(store: Store, streams: StreamTable): ServiceImpl<typeof transferV1.TransferDefinition> {
  return {
    async transfer({ source, destination, options }, call) {
      const { signal } = call;
      const scope = scopeOf(call);
      const stream = (id: string) => streams.get(scope.namespace, id);
      const progressStream = options?.progressStream ?? "";
      using progress = new TransferProgress(progressStream === "" ? undefined : stream(progressStream));
      await underLease(store, scope, (leased) =>
        transfer({ store, scope: leased, progress, signal, stream }, { source, destination }),
      );
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}
