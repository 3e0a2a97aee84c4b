import type { protobufAny } from "@ctr/api";
import { encodeProcess, PROCESS_TYPE_URL, type SpecProcess } from "@ctr/oci";

/** The runtime spec's `process` as the wire carries it: JSON. Loaded by who adds a process, as few commands do. */
export function processToWire(process: SpecProcess): protobufAny.Any {
  return { typeUrl: PROCESS_TYPE_URL, value: encodeProcess(process) };
}
