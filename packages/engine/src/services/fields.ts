import { FIELDS_HEADER } from "@ctr/api";
import type { CallContext } from "@ctr/rpc";

/** Whether the caller of a list looks at none but these fields. */
export function asksOnly(context: CallContext, fields: readonly string[]): boolean {
  const asked = context.metadata[FIELDS_HEADER];
  return typeof asked === "string" && asked.split(",").every((field) => fields.includes(field));
}
