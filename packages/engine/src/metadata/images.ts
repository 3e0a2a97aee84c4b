import { ContainerdError, imageEvents, type protobufAny } from "@ctr/api";
import { type Descriptor, type Digest, type Image, type Labels, parseDigest } from "@ctr/oci";
import { publish } from "../events/journal.ts";
import { failpoint } from "../failpoint.ts";
import type { Scope } from "../scope.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { markDirty } from "./dirty.ts";
import { type MaskPath, readMask, withKey } from "./field-mask.ts";
import { ABSENT, type FieldReader, mapField, parseFilters, textField } from "./filters.ts";
import { type ImageRow, imageOf } from "./image-row.ts";
import { checkLabels, labelsToColumn } from "./labels.ts";
import { addToLease } from "./leases.ts";
import { ensureNamespace } from "./namespaces.ts";

/** Label that tells the collector when an image or a lease is no root any more; RFC 3339. */
export const EXPIRE_LABEL = "containerd.io/gc.expire";

export interface NewImage {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Labels;
  /** Nanoseconds since 1970 to be written as the time of the change; now, when left out. */
  readonly time?: bigint | undefined;
}

export interface ImageChange {
  readonly name: string;
  /** May be left out where the mask names other fields. */
  readonly target?: Descriptor | undefined;
  readonly labels: Labels;
  readonly time?: bigint | undefined;
}

export function findImage(tx: ReadTx, namespace: string, name: string): Image | undefined {
  const row = tx.get<ImageRow>("SELECT * FROM images WHERE namespace = ? AND name = ?", namespace, name);
  return row === undefined ? undefined : imageOf(row);
}

/** `not_found` when the namespace has none of that name. */
export function getImage(tx: ReadTx, namespace: string, name: string): Image {
  const image = findImage(tx, namespace, name);
  if (image !== undefined) return image;
  throw new ContainerdError({ code: "not_found", what: `image ${JSON.stringify(name)}` });
}

/** Those that pass, by name. */
export function listImages(tx: ReadTx, namespace: string, filters: readonly string[]): readonly Image[] {
  const passes = parseFilters(filters);
  const rows = tx.all<ImageRow>("SELECT * FROM images WHERE namespace = ? ORDER BY name", namespace);
  return rows.map(imageOf).filter((image) => passes(fieldsOf(image)));
}

/** `already_exists`, or `invalid_argument` for a bad name, target or label. What it names need not be there. */
export function createImage(store: Store, tx: WriteTx, scope: Scope, image: NewImage): Image {
  const { name, target } = image;
  const { namespace } = scope;
  checkImage(image);
  const now = image.time ?? store.clock.now();
  ensureNamespace(tx, namespace);
  const added = tx.run(
    `INSERT OR IGNORE INTO images (namespace, name, media_type, digest, size, annotations, labels, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    namespace,
    name,
    ...targetColumns(target),
    labelsToColumn(image.labels),
    now,
    now,
  );
  failpoint("image.create");
  if (added === 0) throw new ContainerdError({ code: "already_exists", what: `image ${JSON.stringify(name)}` });
  const made = getImage(tx, namespace, name);
  leaseExpiring(tx, scope, made);
  publishImage(store, tx, namespace, { kind: "create", image: made });
  return made;
}

const MASK_FIELDS = ["labels", "target", "annotations"] as const;
const MASK_MAPS = ["labels", "annotations"] as const;

/** Replaces what `paths` name, or all but the time of creation when they name nothing. */
export function updateImage(
  store: Store,
  tx: WriteTx,
  scope: Scope,
  { change, paths }: { readonly change: ImageChange; readonly paths: readonly string[] },
): Image {
  const { namespace } = scope;
  const { name } = change;
  if (name === "") throw invalid("image name is required for update");
  const current = getImage(tx, namespace, name);
  const mask = readMask(paths, { fields: MASK_FIELDS, maps: MASK_MAPS, of: `image ${JSON.stringify(name)}` });
  const patch = (image: NewImage, path: Path) => patched(image, change, path);
  const updated = mask.length === 0 ? replaced(change) : mask.reduce(patch, current);
  checkImage(updated);
  tx.run(
    `UPDATE images SET media_type = ?, digest = ?, size = ?, annotations = ?, labels = ?, updated_at = ?
     WHERE namespace = ? AND name = ?`,
    ...targetColumns(updated.target),
    labelsToColumn(updated.labels),
    change.time ?? store.clock.now(),
    namespace,
    name,
  );
  // What the old target kept may be garbage now.
  if (updated.target.digest !== current.target.digest) markDirty(tx);
  const made = getImage(tx, namespace, name);
  leaseExpiring(tx, scope, made);
  publishImage(store, tx, namespace, { kind: "update", image: made });
  return made;
}

/** `not_found` when there is none, or it is of another digest than `target`. */
export function deleteImage(store: Store, tx: WriteTx, namespace: string, name: string, target?: Digest): void {
  const image = getImage(tx, namespace, name);
  if (target !== undefined && image.target.digest !== target) {
    const what = `image ${JSON.stringify(name)} has different digest ${image.target.digest}, not ${target}`;
    throw new ContainerdError({ code: "not_found", what });
  }
  tx.run("DELETE FROM images WHERE namespace = ? AND name = ?", namespace, name);
  failpoint("image.delete");
  markDirty(tx);
  publishImage(store, tx, namespace, { kind: "delete", name });
}

export type ImageEvent =
  | { readonly kind: "create" | "update"; readonly image: Image }
  | { readonly kind: "delete"; readonly name: string };

/** Tells of a change to an image; the collector tells of those that expired. */
export function publishImage(store: Store, tx: WriteTx, namespace: string, event: ImageEvent): void {
  publish(store, tx, { namespace, topic: `/images/${event.kind}`, event: encode(event) });
}

function encode(event: ImageEvent): protobufAny.Any {
  const { ImageCreate, ImageDelete, ImageUpdate } = imageEvents;
  switch (event.kind) {
    case "create": {
      const { name, labels } = event.image;
      const value = ImageCreate.encode(ImageCreate.fromPartial({ name, labels })).finish();
      return { typeUrl: "containerd.services.images.v1.ImageCreate", value };
    }
    case "update": {
      const { name, labels } = event.image;
      const value = ImageUpdate.encode(ImageUpdate.fromPartial({ name, labels })).finish();
      return { typeUrl: "containerd.services.images.v1.ImageUpdate", value };
    }
    case "delete": {
      const value = ImageDelete.encode(ImageDelete.fromPartial({ name: event.name })).finish();
      return { typeUrl: "containerd.services.images.v1.ImageDelete", value };
    }
    default:
      return event satisfies never;
  }
}

type Path = MaskPath<(typeof MASK_FIELDS)[number], (typeof MASK_MAPS)[number]>;

function replaced({ name, target, labels }: ImageChange): NewImage {
  return { name, target: requireTarget(target), labels };
}

function patched(image: NewImage, change: ImageChange, path: Path): NewImage {
  const annotations = image.target.annotations ?? {};
  const given = change.target?.annotations ?? {};
  const annotated = (map: Labels): NewImage => ({ ...image, target: { ...image.target, annotations: map } });
  if (path.kind === "key") {
    if (path.field === "annotations") return annotated(withKey(annotations, given, path.key));
    return { ...image, labels: withKey(image.labels, change.labels, path.key) };
  }
  const { field } = path;
  switch (field) {
    case "labels":
      return { ...image, labels: change.labels };
    case "target":
      return { ...image, target: requireTarget(change.target) };
    case "annotations":
      return annotated(given);
    default:
      return field satisfies never;
  }
}

function requireTarget(target: Descriptor | undefined): Descriptor {
  if (target !== undefined) return target;
  throw invalid("image target is required");
}

function checkImage({ name, target, labels }: NewImage): void {
  if (name === "") throw invalid("image name must not be empty");
  checkLabels(labels);
  parseDigest(target.digest);
  if (target.size <= 0n) throw invalid(`Target.Size must be > 0, it is ${target.size}`);
  if (target.mediaType === "") throw invalid("Target.MediaType must be set");
}

function invalid(what: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what });
}

/** Only an image that can expire needs a lease to be kept. */
function leaseExpiring(tx: WriteTx, scope: Scope, image: Image): void {
  if (image.labels[EXPIRE_LABEL] !== undefined) addToLease(tx, scope, "images", image.name);
}

function targetColumns({ mediaType, digest, size, annotations }: Descriptor) {
  return [mediaType, digest, size, JSON.stringify(annotations ?? {})] as const;
}

function fieldsOf({ name, target, labels }: Image): FieldReader {
  return ([field, ...rest]) => {
    switch (field) {
      case "name":
        return textField(name);
      case "target":
        return rest[0] === "digest"
          ? textField(target.digest)
          : rest[0] === "mediatype"
            ? textField(target.mediaType)
            : ABSENT;
      case "labels":
        return mapField(labels, rest);
      case "annotations":
        return mapField(target.annotations ?? {}, rest);
      default:
        return ABSENT;
    }
  };
}
