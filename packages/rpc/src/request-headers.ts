import { formatGrpcTimeout } from "./grpc-timeout.ts";
import { appendLiteral } from "./hpack-encoder.ts";
import { metadataToFields } from "./metadata.ts";
import type { CallOptions } from "./service.ts";

/** What every gRPC message is announced as. */
export const GRPC = "application/grpc";

/** Static table of RFC 7541 Appendix A: the fields that stand there whole, as they are sent, and the names that do. */
const WHOLE = { post: 0x83, http: 0x86 } as const;
const NAME = { authority: 1, path: 4, contentType: 31, userAgent: 58 } as const;

/**
 * The header block of a request. Written field by field, without looking names up: it is made once per call, and by a
 * short program once in its life. Throws on metadata that gRPC does not allow.
 */
export function encodeRequest(path: string, authority: string, call: CallOptions): Uint8Array {
  const out: number[] = [WHOLE.post, WHOLE.http];
  appendLiteral(out, NAME.path, path);
  appendLiteral(out, NAME.authority, authority);
  appendLiteral(out, NAME.contentType, GRPC);
  appendLiteral(out, "te", "trailers");
  appendLiteral(out, NAME.userAgent, "ctr-rpc");
  if (call.timeoutMs !== undefined) appendLiteral(out, "grpc-timeout", formatGrpcTimeout(call.timeoutMs));
  if (call.metadata) for (const [name, value] of metadataToFields(call.metadata)) appendLiteral(out, name, value);
  return new Uint8Array(out);
}
