import { ContainerdError, type containersV1, type protobufAny } from "@ctr/api";
import { checkIdentifier } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { anyFromColumn, anyToColumn, extensionsFromColumn, extensionsToColumn } from "./any-column.ts";
import { publishContainer } from "./container-events.ts";
import { markDirty } from "./dirty.ts";
import { type MaskPath, readMask, withKey } from "./field-mask.ts";
import { ABSENT, type FieldReader, mapField, parseFilters, textField } from "./filters.ts";
import { checkLabels, labelsFromColumn, labelsToColumn } from "./labels.ts";
import { ensureNamespace } from "./namespaces.ts";

/** A container is a record: what runs is its task. It has the wire's shape, as Anys in it are nobody's to change. */
export type ContainerRecord = containersV1.Container;

interface Row {
  readonly id: string;
  readonly image: string;
  readonly runtime: string;
  readonly runtime_options: Uint8Array | null;
  readonly spec: Uint8Array | null;
  readonly snapshotter: string;
  readonly snapshot_key: string;
  readonly sandbox: string;
  readonly extensions: string;
  readonly labels: string;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

/** `not_found` when the namespace has none of that id. */
export function getContainer(tx: ReadTx, namespace: string, id: string): ContainerRecord {
  const row = tx.get<Row>("SELECT * FROM containers WHERE namespace = ? AND id = ?", namespace, id);
  if (row !== undefined) return recordOf(row);
  throw new ContainerdError({
    code: "not_found",
    what: `container ${JSON.stringify(id)} in namespace ${JSON.stringify(namespace)}`,
  });
}

/** Those that pass, by id. */
export function listContainers(tx: ReadTx, namespace: string, filters: readonly string[]): readonly ContainerRecord[] {
  const passes = parseFilters(filters);
  const rows = tx.all<Row>("SELECT * FROM containers WHERE namespace = ? ORDER BY id", namespace);
  return rows.map(recordOf).filter((container) => passes(fieldsOf(container)));
}

/** `already_exists`, or `invalid_argument` for one that breaks a rule. Image and snapshot need not be there. */
export function createContainer(store: Store, tx: WriteTx, namespace: string, given: ContainerRecord): ContainerRecord {
  const container = { ...given, id: checkIdentifier(given.id, "container.ID") };
  checkContainer(container);
  ensureNamespace(tx, namespace);
  const now = store.clock.now();
  const added = tx.run(
    `INSERT OR IGNORE INTO containers (namespace, id, image, runtime, runtime_options, spec, snapshotter, snapshot_key,
       sandbox, extensions, labels, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    namespace,
    container.id,
    ...columnsOf(container),
    now,
    now,
  );
  if (added === 0)
    throw new ContainerdError({ code: "already_exists", what: `container ${JSON.stringify(container.id)}` });
  const made = getContainer(tx, namespace, container.id);
  publishContainer(store, tx, namespace, { kind: "create", container: made });
  return made;
}

const MASK_FIELDS = ["labels", "spec", "extensions", "image", "snapshotkey"] as const;
const MASK_MAPS = ["labels", "extensions"] as const;
type Path = MaskPath<(typeof MASK_FIELDS)[number], (typeof MASK_MAPS)[number]>;

/** Replaces what `paths` name, or all that may change when they name nothing. Engine reference: Update field masks. */
export function updateContainer(
  store: Store,
  tx: WriteTx,
  namespace: string,
  given: ContainerRecord,
  paths: readonly string[],
): ContainerRecord {
  if (given.id === "") throw new ContainerdError({ code: "invalid_argument", what: "must specify a container id" });
  const current = getContainer(tx, namespace, given.id);
  const rules = { fields: MASK_FIELDS, maps: MASK_MAPS, of: `container ${JSON.stringify(given.id)}` };
  const mask = readMask(paths, rules);
  const updated = mask.length === 0 ? replaced(current, given) : mask.reduce(patched(given), current);
  checkContainer(updated);
  // Create takes one without a spec, as containerd does; nothing else may be changed of it then.
  if (updated.spec === undefined)
    throw new ContainerdError({ code: "invalid_argument", what: "container.Spec must be set" });
  tx.run(
    `UPDATE containers SET image = ?, runtime = ?, runtime_options = ?, spec = ?, snapshotter = ?, snapshot_key = ?,
       sandbox = ?, extensions = ?, labels = ?, updated_at = ? WHERE namespace = ? AND id = ?`,
    ...columnsOf(updated),
    store.clock.now(),
    namespace,
    given.id,
  );
  markDirty(tx);
  const made = getContainer(tx, namespace, given.id);
  publishContainer(store, tx, namespace, { kind: "update", container: made });
  return made;
}

/** Leaves snapshot, image and task alone; whether a task runs is for the caller to ask. */
export function deleteContainer(store: Store, tx: WriteTx, namespace: string, id: string): void {
  getContainer(tx, namespace, id);
  tx.run("DELETE FROM containers WHERE namespace = ? AND id = ?", namespace, id);
  markDirty(tx);
  publishContainer(store, tx, namespace, { kind: "delete", id });
}

function replaced(current: ContainerRecord, given: ContainerRecord): ContainerRecord {
  const { labels, spec, extensions, image, snapshotKey } = given;
  if (given.snapshotter !== current.snapshotter) throw immutable("container.Snapshotter");
  if ((given.runtime?.name ?? "") !== current.runtime?.name) throw immutable("container.Runtime.Name");
  return { ...current, labels, spec, extensions, image, snapshotKey };
}

function patched(given: ContainerRecord): (current: ContainerRecord, path: Path) => ContainerRecord {
  return (current, path) => {
    if (path.kind === "key")
      return { ...current, [path.field]: withKey<unknown>(current[path.field], given[path.field], path.key) };
    const { field } = path;
    switch (field) {
      case "snapshotkey":
        return { ...current, snapshotKey: given.snapshotKey };
      case "labels":
      case "spec":
      case "extensions":
      case "image":
        return { ...current, [field]: given[field] };
      default:
        return field satisfies never;
    }
  };
}

function checkContainer(container: ContainerRecord): void {
  const { extensions, runtime, snapshotKey, snapshotter } = container;
  for (const [key, value] of Object.entries(extensions)) checkExtension(key, value);
  if (runtime === undefined || runtime.name === "") throw invalid("container.Runtime.Name must be set");
  if (snapshotKey !== "" && snapshotter === "")
    throw invalid("container.Snapshotter must be set if container.SnapshotKey is set");
  checkLabels(container.labels);
}

function checkExtension(key: string, value: protobufAny.Any | undefined): void {
  if (key === "") throw invalid("extension keys must not be zero-length");
  if (value === undefined || value.typeUrl === "")
    throw invalid(`extension ${JSON.stringify(key)} must have a type URL`);
}

function columnsOf(container: ContainerRecord) {
  return [
    container.image,
    container.runtime?.name ?? "",
    anyToColumn(container.runtime?.options),
    anyToColumn(container.spec),
    container.snapshotter,
    container.snapshotKey,
    container.sandbox,
    extensionsToColumn(container.extensions),
    labelsToColumn(container.labels),
  ] as const;
}

function recordOf(row: Row): ContainerRecord {
  return {
    id: row.id,
    image: row.image,
    runtime: { name: row.runtime, options: anyFromColumn(row.runtime_options) },
    spec: anyFromColumn(row.spec),
    snapshotter: row.snapshotter,
    snapshotKey: row.snapshot_key,
    sandbox: row.sandbox,
    extensions: extensionsFromColumn(row.extensions),
    labels: { ...labelsFromColumn(row.labels) },
    createdAt: timestampOf(row.created_at),
    updatedAt: timestampOf(row.updated_at),
  };
}

function fieldsOf(container: ContainerRecord): FieldReader {
  return ([field, ...rest]) => {
    switch (field) {
      case "id":
      case "image":
        return textField(container[field]);
      case "runtime":
        return rest[0] === "name" ? textField(container.runtime?.name ?? "") : ABSENT;
      case "labels":
        return mapField(container.labels, rest);
      default:
        return ABSENT;
    }
  };
}

function immutable(field: string): ContainerdError {
  return invalid(`${field} field is immutable`);
}

function invalid(what: string): ContainerdError {
  return new ContainerdError({ code: "invalid_argument", what });
}
