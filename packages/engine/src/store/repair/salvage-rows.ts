import type { SQLQueryBindings, Database as Sqlite, Statement } from "bun:sqlite";

/** A row by its columns' names; what SQLite may hold is all there can be. */
export type AnyRow = Readonly<Record<string, string | bigint | number | Uint8Array | null>>;

/** The tables, those that others hang off first, with the key their rows lie on disk by. */
export const TABLES: readonly (readonly [table: string, key: readonly string[]])[] = [
  ["meta", ["key"]],
  ["namespaces", ["name"]],
  ["images", ["namespace", "name"]],
  ["containers", ["rowid"]],
  ["sandboxes", ["rowid"]],
  ["tasks", ["namespace", "id", "exec_id"]],
  ["blobs", ["namespace", "digest"]],
  ["ingests", ["rowid"]],
  ["snapshots", ["rowid"]],
  ["proxied_snapshots", ["rowid"]],
  ["leases", ["namespace", "id"]],
  ["lease_resources", ["namespace", "lease", "type", "id"]],
  ["activations", ["rowid"]],
  ["events", ["rowid"]],
];

/** What could be read of a table, and whether anything could not. */
export interface Salvaged {
  readonly rows: readonly AnyRow[];
  readonly fault: string | undefined;
}

/** How far past the last readable row others are looked for, where both ends of a table are damaged. */
const SEARCH_ROWS = 65_536n;

/** Reads a table from its beginning up to the damage, then from its end down to it, then between the two. */
export function salvageTable(db: Sqlite, table: string, key: readonly string[]): Salvaged {
  const forward = readUntilFault(db, table, key, "ASC");
  if (forward.fault === undefined) return forward;
  const backward = readUntilFault(db, table, key, "DESC");
  const middle = key[0] === "rowid" ? readGap(db, table, forward.rows, backward.rows) : [];
  const rows = new Map([...forward.rows, ...backward.rows, ...middle].map((row) => [keyOf(row, key), row]));
  return { rows: [...rows.values()], fault: forward.fault };
}

function readUntilFault(db: Sqlite, table: string, key: readonly string[], direction: "ASC" | "DESC"): Salvaged {
  const order = key.map((column) => `${column} ${direction}`).join(", ");
  const rows: AnyRow[] = [];
  try {
    const sql = `SELECT *${key[0] === "rowid" ? ", rowid AS at_row" : ""} FROM ${table} NOT INDEXED ORDER BY ${order}`;
    // The columns are those of the statement.
    for (const row of db.prepare<AnyRow, SQLQueryBindings[]>(sql).iterate()) rows.push(row);
    return { rows, fault: undefined };
  } catch (error) {
    return { rows, fault: error instanceof Error ? error.message : String(error) };
  }
}

function readGap(db: Sqlite, table: string, before: readonly AnyRow[], after: readonly AnyRow[]): readonly AnyRow[] {
  const low = rowOf(before.at(-1)) ?? 0n;
  const high = rowOf(after.at(-1)) ?? low + SEARCH_ROWS;
  const range = rangeOf(db, table);
  const read = (from: bigint, to: bigint): readonly AnyRow[] => {
    if (range === undefined || from > to) return [];
    try {
      return range.all(from, to);
    } catch {
      // The damage is in this range: halves of it may be free of it.
      if (from === to) return [];
      const middle = (from + to) / 2n;
      return [...read(from, middle), ...read(middle + 1n, to)];
    }
  };
  return read(low + 1n, high - 1n);
}

/** Prepared once, as it may be asked for every row; undefined where the schema no longer has the table. */
function rangeOf(db: Sqlite, table: string): Statement<AnyRow, [bigint, bigint]> | undefined {
  try {
    return db.prepare(`SELECT *, rowid AS at_row FROM ${table} NOT INDEXED WHERE rowid BETWEEN ? AND ?`);
  } catch {
    // Reading it from its beginning has said so.
    return undefined;
  }
}

function rowOf(row: AnyRow | undefined): bigint | undefined {
  const at = row?.["at_row"];
  return typeof at === "bigint" ? at : undefined;
}

function keyOf(row: AnyRow, key: readonly string[]): string {
  return JSON.stringify(key.map((column) => String(row[column === "rowid" ? "at_row" : column])));
}
