import { ContainerdError } from "@ctr/api";
import { encodeGoJson, type GoJson } from "../go-json.ts";
import { inMemberOrder, processInMemberOrder } from "./member-order.ts";
import type { Spec, SpecProcess } from "./types.ts";

/** Type URL of a spec in a container record's Any. */
export const SPEC_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
/** Type URL of a process in an exec request's Any. */
export const PROCESS_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Process";

/** The bytes Go would store for `spec`. */
export function encodeSpec(spec: Spec): Uint8Array {
  return encodeGoJson(orderedSpec(spec));
}

/** The bytes Go would send for `process`. */
export function encodeProcess(process: SpecProcess): Uint8Array {
  // A record of JSON values in, the same values out.
  return encodeGoJson(processInMemberOrder(process) as GoJson);
}

/** `spec` as a JSON value in Go's member order, for printing. */
export function orderedSpec(spec: Spec): GoJson {
  // A record of JSON values in, the same values out.
  return inMemberOrder(spec) as GoJson;
}

/** Reads a spec. Throws `invalid_argument` where the text is no JSON record. */
export function parseSpec(bytes: Uint8Array): Spec {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw badSpec(error instanceof Error ? error.message : String(error), error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw badSpec("it is no JSON object");
  // Members are the runtime's to judge; what the options here touch is checked where they touch it.
  return value as Spec;
}

function badSpec(why: string, cause?: unknown): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what: "cannot read OCI spec", why, cause });
}
