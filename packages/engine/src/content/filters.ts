import type { ContentInfo, IngestStatus } from "@ctr/oci";
import { ABSENT, mapField, parseFilters, textField } from "../metadata/filters.ts";

/** Filter fields of a blob: `digest`, `labels.*`. */
export function filterContent(filters: readonly string[]): (info: ContentInfo) => boolean {
  const passes = parseFilters(filters);
  return (info) =>
    passes(([field, ...rest]) => {
      if (field === "digest") return textField(info.digest);
      return field === "labels" ? mapField(info.labels, rest) : ABSENT;
    });
}

/** Filter fields of an ingest: `ref`. */
export function filterIngests(filters: readonly string[]): (status: IngestStatus) => boolean {
  const passes = parseFilters(filters);
  return (status) => passes(([field]) => (field === "ref" ? textField(status.ref) : ABSENT));
}
