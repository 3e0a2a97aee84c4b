import { Database, SQLiteError } from "bun:sqlite";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** SQLITE_IOERR_SHMSIZE: a full disk has no room for the index of the log, which the first who opens it makes anew. */
const NO_ROOM_FOR_INDEX = 4874;

/** The database of a store, to look at; on a full disk a copy of it elsewhere, so nobody may be writing to it then. */
export function openStoreDatabase(root: string): { readonly db: Database } & Disposable {
  const db = new Database(join(root, "meta.db"), { readonly: true });
  try {
    db.query("SELECT 1 FROM sqlite_schema").get();
    return { db, [Symbol.dispose]: () => db.close() };
  } catch (error) {
    db.close();
    if (!(error instanceof SQLiteError) || error.errno !== NO_ROOM_FOR_INDEX) throw error;
    return openCopy(root);
  }
}

function openCopy(root: string): { readonly db: Database } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "ctr-look-"));
  for (const name of ["meta.db", "meta.db-wal"]) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(dir, name));
  }
  const db = new Database(join(dir, "meta.db"));
  return {
    db,
    [Symbol.dispose]() {
      db.close();
      rmSync(dir, { recursive: true });
    },
  };
}
