import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { ReadTx } from "../store/database.ts";
import { hasErrno } from "../store/disk-error.ts";
import type { Store } from "../store/store.ts";
import { trashPath } from "../store/trash.ts";
import { type ContentLayout, contentLayout, ingestDir } from "./layout.ts";

/** Moves blobs and ingests that no row names to the trash. The caller holds the disk for itself. */
export function sweepContent(store: Store): void {
  const layout = contentLayout(store);
  const { digests, dirs } = store.db.read((tx) => known(tx, layout));
  for (const algorithm of namesIn(layout.blobs)) {
    const dir = join(layout.blobs, algorithm);
    for (const hex of namesIn(dir)) {
      if (!digests.has(`${algorithm}:${hex}`)) renameSync(join(dir, hex), trashPath(store));
    }
  }
  for (const name of namesIn(layout.ingest)) {
    const dir = join(layout.ingest, name);
    if (!dirs.has(dir)) renameSync(dir, trashPath(store));
  }
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

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    // Nothing was ever put there.
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  }
}
