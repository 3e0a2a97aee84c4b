import type { ReadTx, WriteTx } from "../store/database.ts";

interface Row {
  readonly value: string;
}

/** Notes, in the transaction that made garbage, that the store is worth collecting. */
export function markDirty(tx: WriteTx): void {
  tx.run(
    `INSERT INTO meta (key, value) VALUES ('dirty', '1')
     ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1`,
  );
}

/** Whether something was let go since the last collection, by any process. */
export function isDirty(tx: ReadTx): boolean {
  return readDirt(tx) !== undefined;
}

/** How much was let go: what a collector read before it began is what it may clear when it is done. */
export function readDirt(tx: ReadTx): string | undefined {
  return tx.get<Row>("SELECT value FROM meta WHERE key = 'dirty'")?.value;
}

/** Said by the collector once the disk is swept too; nothing is cleared if more was let go meanwhile. */
export function clearDirt(tx: WriteTx, seen: string): void {
  tx.run("DELETE FROM meta WHERE key = 'dirty' AND value = ?", seen);
}
