import { FIELDS_HEADER } from "@ctr/api";
import type { CallOptions } from "@ctr/rpc";

/** The options of a list of which none but these fields are looked at. */
export function onlyFields(options: CallOptions, fields: readonly string[]): CallOptions {
  return { ...options, metadata: { ...options.metadata, [FIELDS_HEADER]: fields.join(",") } };
}
