import { SQLiteError, Database as Sqlite } from "bun:sqlite";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contentLayout } from "../../content/layout.ts";
import { findLogFault } from "../log-file.ts";
import { openReadableCopy } from "./readable-copy.ts";
import { salvageTable, TABLES } from "./salvage-rows.ts";

/** What is wrong with the database of a store; looking changes nothing. */
export interface Diagnosis {
  readonly path: string;
  /** One sentence each; empty when it is sound. */
  readonly faults: readonly string[];
  /** Blobs on disk that no readable row names: garbage in a sound store, to be saved in a damaged one. */
  readonly strayBlobs: readonly string[];
  /** Snapshot directories that no readable row names, as `snapshotter/id`. */
  readonly straySnapshots: readonly string[];
}

/** Asks SQLite; where that finds a fault, reads a copy of the database through, and compares it with the disk. */
export function diagnoseStore(root: string): Diagnosis {
  const path = join(root, "meta.db");
  const first = existsSync(path) ? findFault(path, root) : undefined;
  if (first === undefined) return { path, faults: [], strayBlobs: [], straySnapshots: [] };
  const dir = mkdtempSync(join(tmpdir(), "ctr-diagnose-"));
  try {
    const faults = [first];
    using db = openReadableCopy(path, dir);
    const names = { blobs: new Set<string>(), snapshots: new Set<string>() };
    for (const [table, key] of TABLES) {
      const { rows, fault } = salvageTable(db, table, key);
      if (fault !== undefined) faults.push(`table ${table}: ${rows.length} rows can be read, then: ${fault}`);
      if (table === "blobs") for (const row of rows) names.blobs.add(String(row["digest"]));
      if (table === "snapshots") for (const row of rows) names.snapshots.add(`${row["snapshotter"]}/${row["id"]}`);
    }
    return {
      path,
      faults,
      strayBlobs: blobsOnDisk(root).filter((digest) => !names.blobs.has(digest)),
      straySnapshots: snapshotsOnDisk(root).filter((name) => !names.snapshots.has(name)),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Digests that files under `blobs` have as their names. */
export function blobsOnDisk(root: string): readonly string[] {
  const { blobs } = contentLayout({ root });
  return namesIn(blobs).flatMap((algorithm) => namesIn(join(blobs, algorithm)).map((hex) => `${algorithm}:${hex}`));
}

/** `snapshotter/id` of every snapshot's directory. */
export function snapshotsOnDisk(root: string): readonly string[] {
  const prefix = "io.containerd.snapshotter.v1.";
  return namesIn(root)
    .filter((name) => name.startsWith(prefix))
    .flatMap((name) => namesIn(join(root, name, "snapshots")).map((id) => `${name.slice(prefix.length)}/${id}`))
    .filter((name) => /\/\d+$/.test(name));
}

/** How many directories of ingests there are. */
export function ingestDirectories(root: string): number {
  return namesIn(contentLayout({ root }).ingest).length;
}

/** Names in a directory; none where there is no directory. */
export function namesIn(dir: string): readonly string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}

/** What SQLite says of the file. Others may be writing to a sound one, so that a copy of its files would look damaged. */
function findFault(path: string, root: string): string | undefined {
  const log = findLogFault(path);
  if (log !== undefined) return log;
  try {
    using db = new Sqlite(path, { readonly: true, strict: true, safeIntegers: true });
    if (db.query("SELECT 1 FROM sqlite_schema WHERE name = 'blobs'").get() === null) {
      // The first command may have been killed before it came to them; then there is nothing that they would be of.
      return isUsed(root) ? "it has no tables" : undefined;
    }
    return integrityFaults(db)[0];
  } catch (error) {
    return isUnfinished(error) ? undefined : error instanceof Error ? error.message : String(error);
  }
}

/** The very first transaction was cut off before there was a write-ahead log: whoever opens the file next takes it back. */
function isUnfinished(error: unknown): boolean {
  return error instanceof SQLiteError && error.code === "SQLITE_READONLY_ROLLBACK";
}

function isUsed(root: string): boolean {
  return blobsOnDisk(root).length > 0 || snapshotsOnDisk(root).length > 0 || ingestDirectories(root) > 0;
}

function integrityFaults(db: Sqlite): readonly string[] {
  try {
    return [
      ...db
        .query("PRAGMA integrity_check")
        .values()
        .flat()
        .map(String)
        .filter((answer) => answer !== "ok"),
      ...db
        .query("PRAGMA foreign_key_check")
        .values()
        .map((row) => `a row without the one it hangs off: ${row.join(" ")}`),
    ];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
