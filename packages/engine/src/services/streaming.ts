import type { streamingV1 } from "@ctr/api";
import type { ServiceImpl } from "@ctr/rpc";
import { scopeOf } from "../scope.ts";
import type { StreamTable } from "../transfer/streams.ts";

/** containerd.services.streaming.v1.Streaming; its streams serve the transfers of the same process. */
export function streamingService(streams: StreamTable): ServiceImpl<typeof streamingV1.StreamingDefinition> {
  return {
    stream: (requests, context) => streams.serve(scopeOf(context).namespace, requests, context),
  };
}
