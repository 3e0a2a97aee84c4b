import { type Descriptor, type Image, parseDigest } from "@ctr/oci";
import { timestampOf } from "../store/clock.ts";
import { labelsFromColumn } from "./label-column.ts";

/** Columns of the table of images that say what an image is. */
export interface TargetRow {
  readonly name: string;
  readonly media_type: string;
  readonly digest: string;
  readonly size: bigint;
  readonly annotations: string;
  readonly labels: string;
}

/** A row of it. */
export interface ImageRow extends TargetRow {
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

export function imageOf(row: ImageRow): Image {
  const times = { createdAt: timestampOf(row.created_at), updatedAt: timestampOf(row.updated_at) };
  return { ...summaryOf(row), ...times };
}

/** The image without its times. */
export function summaryOf(row: TargetRow): Pick<Image, "name" | "target" | "labels"> {
  return { name: row.name, target: targetOf(row), labels: labelsFromColumn(row.labels) };
}

function targetOf({ media_type: mediaType, digest, size, annotations }: TargetRow): Descriptor {
  const target = { mediaType, digest: parseDigest(digest), size };
  return annotations === "{}" ? target : { ...target, annotations: labelsFromColumn(annotations) };
}
