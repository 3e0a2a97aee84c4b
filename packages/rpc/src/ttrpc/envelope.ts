import { Request, Response } from "../gen/ttrpc/request.ts";
import { statusOf } from "../grpc-status.ts";
import type { Metadata } from "../service.ts";
import type { Status } from "../status.ts";
import { MAX_TTRPC_BYTES } from "./frame.ts";

/** A call as its first frame carries it. */
export interface TtrpcRequest {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Time limit from now; 0 or less is none. */
  readonly timeoutMs: number | undefined;
  readonly metadata: Metadata;
}

const NANOS_PER_MS = 1_000_000;
/** setTimeout takes 31 bits; a longer limit is none, for as long as anyone will wait. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** Throws on metadata that ttrpc cannot carry: it has text alone. */
export function encodeRequest(path: string, payload: Uint8Array, timeoutMs: number | undefined, metadata: Metadata) {
  const [, service = "", method = ""] = path.split("/");
  const pairs = Object.entries(metadata).map(([key, value]) => {
    if (typeof value !== "string") throw new Error(`metadata ${key}: ttrpc carries text only`);
    return { key: key.toLowerCase(), value };
  });
  const timeoutNano = timeoutMs === undefined ? 0n : BigInt(Math.max(1, Math.ceil(timeoutMs * NANOS_PER_MS)));
  return Request.encode({ service, method, payload, timeoutNano, metadata: pairs }).finish();
}

/** Throws on bytes that are no request. Of a repeated key the first value counts. */
export function decodeRequest(bytes: Uint8Array): TtrpcRequest {
  const { service, method, payload, timeoutNano, metadata } = Request.decode(bytes);
  const first: Record<string, string> = {};
  for (const { key, value } of metadata) first[key.toLowerCase()] ??= value;
  const timeoutMs = Number(timeoutNano) / NANOS_PER_MS;
  const limited = timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS;
  return { service, method, payload, timeoutMs: limited ? timeoutMs : undefined, metadata: first };
}

export function encodeAnswer(payload: Uint8Array): Uint8Array {
  return Response.encode({ status: undefined, payload }).finish();
}

export function encodeFailure({ code, message, details }: Status): Uint8Array {
  const status = { code, message, details: [...details] };
  return Response.encode({ status, payload: new Uint8Array(0) }).finish();
}

/** What a response says: a payload, or the status of a failure. Throws on bytes that are none. */
export function decodeResponse(bytes: Uint8Array): Status | Uint8Array {
  const { status, payload } = Response.decode(bytes);
  return status === undefined || status.code === 0 ? payload : status;
}

/** The status of a payload above the limit, whoever sends it. */
export function oversizeStatus(length: number): Status {
  const message = `message length ${length} exceed maximum message size of ${MAX_TTRPC_BYTES}`;
  return statusOf("resource_exhausted", message);
}
