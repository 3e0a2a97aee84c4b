import { ContainerdError, type protobufAny, type sandboxTypes } from "@ctr/api";
import { checkIdentifier } from "../scope.ts";
import { timestampOf } from "../store/clock.ts";
import type { ReadTx, WriteTx } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { anyFromColumn, anyToColumn, extensionsFromColumn, extensionsToColumn } from "./any-column.ts";
import { markDirty } from "./dirty.ts";
import { type MaskPath, readMask, withKey } from "./field-mask.ts";
import { ABSENT, mapField, parseFilters, textField } from "./filters.ts";
import { labelsFromColumn, labelsToColumn } from "./labels.ts";
import { ensureNamespace } from "./namespaces.ts";

/** A sandbox is a record too; what runs is its controller's. */
export type SandboxRecord = sandboxTypes.Sandbox;

interface Row {
  readonly id: string;
  readonly runtime: string;
  readonly runtime_options: Uint8Array | null;
  readonly spec: Uint8Array | null;
  readonly sandboxer: string;
  readonly extensions: string;
  readonly labels: string;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

export function findSandbox(tx: ReadTx, namespace: string, id: string): SandboxRecord | undefined {
  const row = tx.get<Row>("SELECT * FROM sandboxes WHERE namespace = ? AND id = ?", namespace, id);
  return row === undefined ? undefined : recordOf(row);
}

/** `not_found` when the namespace has none of that id. */
export function getSandbox(tx: ReadTx, namespace: string, id: string): SandboxRecord {
  const found = findSandbox(tx, namespace, id);
  if (found !== undefined) return found;
  throw new ContainerdError({ code: "not_found", what: `sandbox ${JSON.stringify(id)}` });
}

/** Those that pass, by id. */
export function listSandboxes(tx: ReadTx, namespace: string, filters: readonly string[]): readonly SandboxRecord[] {
  const passes = parseFilters(filters);
  const rows = tx.all<Row>("SELECT * FROM sandboxes WHERE namespace = ? ORDER BY id", namespace);
  return rows.map(recordOf).filter(({ sandboxId, labels }) =>
    passes(([field, ...rest]) => {
      if (field === "id") return textField(sandboxId);
      return field === "labels" ? mapField(labels, rest) : ABSENT;
    }),
  );
}

/** `already_exists` when the id is taken. No event tells of it: the controller's do. */
export function createSandbox(store: Store, tx: WriteTx, namespace: string, sandbox: SandboxRecord): SandboxRecord {
  const id = checkIdentifier(sandbox.sandboxId, "sandbox ID");
  ensureNamespace(tx, namespace);
  const now = store.clock.now();
  const added = tx.run(
    `INSERT OR IGNORE INTO sandboxes (namespace, id, runtime, runtime_options, spec, sandboxer, extensions, labels,
       created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    namespace,
    id,
    ...columnsOf(sandbox),
    now,
    now,
  );
  if (added === 0) throw new ContainerdError({ code: "already_exists", what: `sandbox ${JSON.stringify(id)}` });
  return getSandbox(tx, namespace, id);
}

const MASK_FIELDS = ["labels", "extensions", "runtime", "spec"] as const;
const MASK_MAPS = ["labels", "extensions"] as const;
type Path = MaskPath<(typeof MASK_FIELDS)[number], (typeof MASK_MAPS)[number]>;

/** Replaces what `paths` name, all four without; the runtime's name stays. */
export function updateSandbox(
  store: Store,
  tx: WriteTx,
  namespace: string,
  { given, paths }: { readonly given: SandboxRecord; readonly paths: readonly string[] },
): SandboxRecord {
  const current = getSandbox(tx, namespace, given.sandboxId);
  const rules = { fields: MASK_FIELDS, maps: MASK_MAPS, of: `sandbox ${JSON.stringify(given.sandboxId)}` };
  const whole: readonly Path[] = MASK_FIELDS.map((field) => ({ kind: "field", field }));
  const mask = paths.length === 0 ? whole : readMask(paths, rules);
  const patch = (sandbox: SandboxRecord, path: Path): SandboxRecord => {
    if (path.kind === "field") return { ...sandbox, [path.field]: given[path.field] };
    return { ...sandbox, [path.field]: withKey<unknown>(sandbox[path.field], given[path.field], path.key) };
  };
  const updated = mask.reduce(patch, current);
  if (updated.runtime?.name !== current.runtime?.name) {
    throw new ContainerdError({ code: "invalid_argument", what: "sandbox.Runtime.Name field is immutable" });
  }
  tx.run(
    `UPDATE sandboxes SET runtime = ?, runtime_options = ?, spec = ?, sandboxer = ?, extensions = ?, labels = ?,
       updated_at = ? WHERE namespace = ? AND id = ?`,
    ...columnsOf(updated),
    store.clock.now(),
    namespace,
    given.sandboxId,
  );
  return getSandbox(tx, namespace, given.sandboxId);
}

export function deleteSandbox(tx: WriteTx, namespace: string, id: string): void {
  getSandbox(tx, namespace, id);
  tx.run("DELETE FROM sandboxes WHERE namespace = ? AND id = ?", namespace, id);
  markDirty(tx);
}

function columnsOf(sandbox: SandboxRecord) {
  return [
    sandbox.runtime?.name ?? "",
    anyToColumn(sandbox.runtime?.options),
    anyToColumn(sandbox.spec),
    sandbox.sandboxer,
    extensionsToColumn(sandbox.extensions),
    labelsToColumn(sandbox.labels),
  ] as const;
}

function recordOf(row: Row): SandboxRecord {
  const options: protobufAny.Any | undefined = anyFromColumn(row.runtime_options);
  return {
    sandboxId: row.id,
    runtime: { name: row.runtime, options },
    spec: anyFromColumn(row.spec),
    labels: { ...labelsFromColumn(row.labels) },
    createdAt: timestampOf(row.created_at),
    updatedAt: timestampOf(row.updated_at),
    extensions: extensionsFromColumn(row.extensions),
    sandboxer: row.sandboxer,
  };
}
