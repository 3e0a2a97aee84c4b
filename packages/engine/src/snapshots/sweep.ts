import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { failpoint } from "../failpoint.ts";
import { hasErrno } from "../store/disk-error.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import type { SnapshotDriver } from "./driver.ts";

/** Moves directories that no row names to the trash. The caller holds the disk for itself. */
export function sweepSnapshots(store: Store, driver: SnapshotDriver): void {
  const rows = store.db.read((tx) =>
    tx.all<{ readonly id: bigint }>("SELECT id FROM snapshots WHERE snapshotter = ?", driver.name),
  );
  const known = new Set(rows.map((row) => String(row.id)));
  for (const name of directoriesIn(driver.dir)) {
    if (known.has(name)) continue;
    failpoint("gc.snapshot");
    renameSync(join(driver.dir, name), trashPath(store));
  }
}

function directoriesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    // No snapshot was ever made.
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  }
}
