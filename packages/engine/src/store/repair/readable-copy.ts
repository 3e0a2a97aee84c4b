import { Database as Sqlite } from "bun:sqlite";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Database } from "../database.ts";

/** SQLite's page size when nobody asks for another, as we do not. */
const PAGE_BYTES = 4096;

/**
 * A copy of a database in `dir` that SQLite will read, however little is left of its first page: that one is the same
 * in every new store but for its counters, so a fresh one stands in for it. The original is only read.
 */
export function openReadableCopy(path: string, dir: string): Sqlite {
  const copy = join(dir, "damaged.db");
  copyFileSync(path, copy);
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
  padToPages(copy);
  const asItIs = openWithTables(copy);
  if (asItIs !== undefined) return asItIs;
  graftFirstPage(copy, makeFreshDatabase(join(dir, "fresh.db")));
  return openWithTables(copy) ?? new Sqlite(":memory:", { strict: true, safeIntegers: true });
}

/** An empty database of this program's schema, with nothing beside it. */
export function makeFreshDatabase(path: string): string {
  new Database(path)[Symbol.dispose]();
  return path;
}

/** A file that was cut short says that it is longer; pages of zeros give SQLite an error for each, not for all. */
function padToPages(path: string): void {
  const bytes = readFileSync(path);
  const pages = bytes.byteLength < 32 ? 0 : bytes.readUInt32BE(28);
  const wanted = Math.min(pages, 2 ** 20) * PAGE_BYTES;
  if (wanted > bytes.byteLength) truncateSync(path, wanted);
}

function openWithTables(path: string): Sqlite | undefined {
  let db: Sqlite | undefined;
  try {
    db = new Sqlite(path, { strict: true, safeIntegers: true });
    // Statements of damaged databases must not be refused as a whole.
    db.run("PRAGMA writable_schema = ON");
    if (db.query("SELECT 1 FROM sqlite_schema WHERE name = 'blobs'").get() !== null) return db;
  } catch {
    // What is wrong with it does not matter: the next way is tried.
  }
  db?.close();
  return undefined;
}

function graftFirstPage(path: string, fresh: string): void {
  const first = readFileSync(fresh).subarray(0, PAGE_BYTES);
  const page = Buffer.from(first);
  // Neither counter nor size are the damaged file's: unequal counters make SQLite take the size of the file.
  page.writeUInt32BE(1, 24);
  page.writeUInt32BE(0, 92);
  // No list of free pages: nothing is allocated in a copy.
  page.fill(0, 32, 40);
  if (statSync(path).size < PAGE_BYTES) truncateSync(path, PAGE_BYTES);
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, page, 0, PAGE_BYTES, 0);
  } finally {
    closeSync(fd);
  }
}
