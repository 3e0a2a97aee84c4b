import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { failpoint } from "../failpoint.ts";
import type { ReadTx } from "../store/database.ts";
import { hasErrno } from "../store/disk-error.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import { type ContentLayout, contentLayout, ingestDir } from "./layout.ts";

/** Moves blobs and ingests that no row names to the trash. The caller holds the disk for itself. */
export function sweepContent(store: Store): void {
  const layout = contentLayout(store);
  // Listed before the rows are read: an ingest's row is written before its directory is made, without the lock.
  const ingests = namesIn(layout.ingest).map((name) => join(layout.ingest, name));
  const blobs = namesIn(layout.blobs).flatMap((algorithm) =>
    namesIn(join(layout.blobs, algorithm)).map((hex) => ({ algorithm, hex })),
  );
  const { digests, dirs } = store.db.read((tx) => known(tx, layout));
  for (const { algorithm, hex } of blobs) {
    if (digests.has(`${algorithm}:${hex}`)) continue;
    failpoint("gc.blob");
    renameSync(join(layout.blobs, algorithm, hex), trashPath(store));
  }
  for (const dir of ingests) if (!dirs.has(dir)) moveAway(store, dir);
}

function known(tx: ReadTx, layout: ContentLayout) {
  const blobs = tx.all<{ readonly digest: string }>("SELECT DISTINCT digest FROM blobs");
  type Key = Parameters<typeof ingestDir>[1];
  const ingests = tx.all<Key>("SELECT namespace, id, ref FROM ingests");
  return {
    digests: new Set(blobs.map((row) => row.digest)),
    dirs: new Set(ingests.map((key) => ingestDir(layout, key))),
  };
}

/** Whoever ended an ingest may be deleting its directory just now. */
function moveAway(store: Store, dir: string): void {
  try {
    failpoint("gc.ingest");
    renameSync(dir, trashPath(store));
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    // Nothing was ever put there.
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  }
}
