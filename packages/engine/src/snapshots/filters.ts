import type { SnapshotInfo } from "@ctr/oci";
import { ABSENT, mapField, parseFilters, textField } from "../metadata/filters.ts";

/** Filter fields of a snapshot: `kind`, `name`, `parent`, `labels.*`. */
export function filterSnapshots(filters: readonly string[]): (info: SnapshotInfo) => boolean {
  const passes = parseFilters(filters);
  return (info) =>
    passes(([field, ...rest]) => {
      switch (field) {
        case "kind":
          return textField(info.kind);
        case "name":
          return textField(info.name);
        case "parent":
          return textField(info.parent);
        case "labels":
          return mapField(info.labels, rest);
        default:
          return ABSENT;
      }
    });
}
