import { Database as Sqlite } from "bun:sqlite";
import { mkdirSync, readFileSync, rmSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { ContainerdError } from "@ctr/api";
import { failpoint } from "../../failpoint.ts";
import { trashPath } from "../trash.ts";
import { ingestDirectories, snapshotsOnDisk } from "./diagnose.ts";
import { makeFreshDatabase, openReadableCopy } from "./readable-copy.ts";
import { readopt } from "./readopt.ts";
import { type AnyRow, salvageTable, TABLES } from "./salvage-rows.ts";
import { swap, syncFile, takeBack } from "./swap.ts";

/** What a rebuild did. */
export interface Rebuilt {
  /** Where the damaged file is now. */
  readonly aside: string;
  /** Rows that were copied. */
  readonly rows: number;
  /** Blobs that no readable row named and that have one again, kept by a lease of a day. */
  readonly blobs: number;
  /** Tasks and containers that no readable row named, found by the bundles of those that run. */
  readonly tasks: number;
  readonly containers: number;
  /** Snapshots that no readable row named, found as what those containers are mounted from. */
  readonly snapshots: number;
  /** Snapshots on disk that nothing tells the name of: the next collection takes them. */
  readonly lost: number;
}

/**
 * Makes a new database of what can be read of the damaged one and of what is on disk, and puts it in its place; the
 * damaged one stays beside it. `failed_precondition` while another process has it open. A process that dies in here
 * leaves the damaged database where it was.
 */
export async function rebuildDatabase(root: string, options: { readonly stateParent: string }): Promise<Rebuilt> {
  const path = join(root, "meta.db");
  refuseUsers(path);
  takeBack(path);
  const before = stampOf(path);
  // In the trash, so that a process that dies here leaves nothing that is kept.
  const dir = trashPath({ root });
  mkdirSync(dir, { mode: 0o700 });
  try {
    const rows = salvage(root, dir, path);
    failpoint("repair.salvaged");
    const found = await readopt({ root, db: join(dir, "new.db"), stateParent: options.stateParent });
    await syncFile(join(dir, "new.db"));
    failpoint("repair.readopted");
    refuseUsers(path);
    if (stampOf(path) !== before) throw inUse(path, "it was written to meanwhile");
    return { aside: await swap(path, join(dir, "new.db")), rows, ...found };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function salvage(root: string, dir: string, path: string): number {
  using damaged = openReadableCopy(path, dir);
  const target = makeFreshDatabase(join(dir, "new.db"));
  using fresh = new Sqlite(target, { strict: true, safeIntegers: true });
  // One file, with no log beside it that a rename could leave behind.
  fresh.run("PRAGMA journal_mode = DELETE");
  fresh.run("PRAGMA foreign_keys = OFF");
  let copied = 0;
  fresh.transaction(() => {
    for (const [table, key] of TABLES) {
      for (const row of salvageTable(damaged, table, key).rows) copied += insertRow(fresh, table, row);
    }
    dropBrokenRows(fresh, root);
    raiseIds(fresh, root);
  })();
  return copied;
}

/** A row that is there, but not whole, is refused by its table. */
function insertRow(db: Sqlite, table: string, { at_row: _at, ...row }: AnyRow): number {
  const columns = Object.keys(row);
  try {
    const sql = `INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
    return db.query(sql).run(...Object.values(row)).changes;
  } catch {
    return 0;
  }
}

/** Rows that promise what is not there: snapshots without a directory, then what hung off rows that are lost. */
function dropBrokenRows(db: Sqlite, root: string): void {
  const dirs = new Set(snapshotsOnDisk(root));
  const snapshots = rowsOf(db, "SELECT id, snapshotter FROM snapshots WHERE snapshotter IN ('overlayfs', 'native')");
  const drop = db.query("DELETE FROM snapshots WHERE id = ?");
  for (const { id, snapshotter } of snapshots) {
    if (id !== undefined && !dirs.has(`${snapshotter}/${id}`)) drop.run(id);
  }
  // What another daemon has of a snapshot can only be found by the name it has there.
  db.run(`DELETE FROM snapshots WHERE snapshotter NOT IN ('overlayfs', 'native')
    AND id NOT IN (SELECT snapshot FROM proxied_snapshots WHERE state = 'made' AND snapshot IS NOT NULL)`);
  const orphans =
    "DELETE FROM snapshots WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM snapshots WHERE kind = 'committed')";
  while (db.query(orphans).run().changes > 0);
  db.run("UPDATE proxied_snapshots SET snapshot = NULL WHERE snapshot NOT IN (SELECT id FROM snapshots)");
  db.run("DELETE FROM lease_resources WHERE (namespace, lease) NOT IN (SELECT namespace, id FROM leases)");
  for (const table of ["images", "containers", "sandboxes", "blobs", "ingests", "snapshots", "leases"]) {
    db.run(`INSERT OR IGNORE INTO namespaces (name) SELECT DISTINCT namespace FROM ${table}`);
  }
}

/** Ids name directories and are never used twice, also those of rows that are lost. */
function raiseIds(db: Sqlite, root: string): void {
  const ids = snapshotsOnDisk(root).map((name) => BigInt(name.slice(name.indexOf("/") + 1)));
  raise(
    db,
    "snapshots",
    ids.reduce((most, id) => (id > most ? id : most), 0n),
  );
  // The name of an ingest's directory is a hash: its id cannot be told from it.
  if (ingestDirectories(root) > 0) raise(db, "ingests", lastId(db, "ingests") + 1_000_000n);
}

function raise(db: Sqlite, table: string, least: bigint): void {
  const last = lastId(db, table);
  if (last >= least) return;
  db.query("DELETE FROM sqlite_sequence WHERE name = ?").run(table);
  db.query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)").run(table, least);
}

function lastId(db: Sqlite, table: string): bigint {
  const [row] = rowsOf(db, "SELECT seq FROM sqlite_sequence WHERE name = ?", table);
  return typeof row?.["seq"] === "bigint" ? row["seq"] : 0n;
}

function rowsOf(db: Sqlite, sql: string, ...values: readonly string[]): readonly AnyRow[] {
  return db.query<AnyRow, string[]>(sql).all(...values);
}

/** Whoever has a database open in WAL mode holds a lock on it, which the kernel lists by the file. */
function refuseUsers(path: string): void {
  const { ino } = statSync(path);
  const holders = readFileSync("/proc/locks", "utf8")
    .split("\n")
    .filter((line) => line.includes(`:${ino} `))
    .map((line) => line.split(/\s+/)[4]);
  if (holders.length > 0) throw inUse(path, `process ${holders[0]} has it open`);
}

function stampOf(path: string): string {
  const describe = (stats: Stats | undefined) => `${stats?.ino} ${stats?.size} ${stats?.mtimeMs}`;
  return [path, `${path}-wal`].map((file) => describe(statSync(file, { throwIfNoEntry: false }))).join(", ");
}

function inUse(path: string, why: string): ContainerdError {
  return new ContainerdError({
    code: "failed_precondition",
    what: "cannot rebuild database",
    where: { path },
    why,
    fix: "end every ctr that uses this store, `ctr serve` first of all, and try again",
  });
}
