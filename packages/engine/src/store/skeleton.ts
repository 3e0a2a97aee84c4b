import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { contentLayout } from "../content/layout.ts";
import { ownSnapshotters, snapshotsDir } from "../snapshots/layout.ts";
import { hasErrno } from "./disk-error.ts";
import { syncDirectoryNow } from "./sync-now.ts";

/**
 * Makes the directories that every row's bytes are below, and waits until their names are on disk: what is put into one
 * of them later has only its own name to wait for. Done before a new store has its id, so once.
 */
export function makeSkeleton(root: string): void {
  const content = contentLayout({ root });
  const places = [
    join(content.blobs, "sha256"),
    content.ingest,
    ...ownSnapshotters.map((name) => snapshotsDir({ root }, name)),
  ];
  const parents = new Set<string>();
  for (const place of places) {
    mkdirSync(place, { recursive: true, mode: 0o700 });
    for (let at = dirname(place); at.length >= root.length; at = dirname(at)) parents.add(at);
  }
  // From the leaves up: a directory's name is worth nothing before what is in it.
  for (const parent of [...parents].toSorted((a, b) => b.length - a.length)) syncDirectoryNow(parent);
  syncAbove(root);
}

/** The root's own name is in a directory that may be somebody else's. */
function syncAbove(root: string): void {
  try {
    syncDirectoryNow(dirname(root));
  } catch (error) {
    if (!hasErrno(error, "EACCES", "EPERM")) throw error;
  }
}
