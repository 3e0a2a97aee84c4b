import type { ReadTx, WriteTx } from "../store/database.ts";

/** Notes, in the transaction that made garbage, that the store is worth collecting. */
export function markDirty(tx: WriteTx): void {
  tx.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('dirty', '1')");
}

/** Whether something was let go since the last collection, by any process. */
export function isDirty(tx: ReadTx): boolean {
  return tx.get("SELECT 1 FROM meta WHERE key = 'dirty'") !== undefined;
}

/** Said by the collector, in the transaction of its sweep. */
export function clearDirty(tx: WriteTx): void {
  tx.run("DELETE FROM meta WHERE key = 'dirty'");
}
