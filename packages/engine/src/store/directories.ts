import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import type { Database } from "./database.ts";
import { type Locks, openLocks } from "./locks.ts";
import { makeSkeleton } from "./skeleton.ts";

/** What containerd keeps in its root: its store and ours in one directory would delete each other's blobs. */
const FOREIGN = "io.containerd.metadata.v1.bolt";

/** Makes the root if need be; refuses one that is another user's, or a containerd's. */
export function claimRoot(root: string): void {
  if (existsSync(`${root}/${FOREIGN}`)) {
    const fix = "name another directory with --address embedded:///some/root";
    throw new ContainerdError({
      code: "failed_precondition",
      what: "cannot open store",
      where: { root },
      why: "a containerd keeps its own there",
      fix,
    });
  }
  makeOurs(root, 0o700);
  failpoint("store.root");
}

/** Makes a directory that only its owner may list, and mends the mode of one that is there. */
function makeOurs(dir: string, mode: number): void {
  try {
    mkdirSync(dir, { recursive: true, mode });
    const stats = statSync(dir);
    if (stats.uid !== (process.geteuid?.() ?? 0)) throw notOurs(dir, stats.uid);
    if ((stats.mode & 0o777) !== mode) chmodSync(dir, mode);
  } catch (error) {
    if (error instanceof ContainerdError) throw error;
    throw cannotUse(dir, error);
  }
}

/** Other users' stores have their state beside ours, so its parent may be entered, not listed. */
function openStateParent(dir: string): void {
  try {
    if (mkdirSync(dir, { recursive: true, mode: 0o711 }) !== undefined) chmodSync(dir, 0o711);
  } catch (error) {
    throw cannotUse(dir, error);
  }
}

function notOurs(dir: string, uid: number): ContainerdError {
  return new ContainerdError({
    code: "permission_denied",
    what: "cannot open store",
    where: { directory: dir },
    why: `it belongs to uid ${uid}, this is uid ${process.geteuid?.()}`,
    fix: "run ctr as its owner, or name another directory with --address embedded:///some/root",
  });
}

function cannotUse(dir: string, cause: unknown): ContainerdError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const fix = "name a directory you may write to with --address embedded:///some/root";
  return new ContainerdError({
    code: "permission_denied",
    what: "cannot open store",
    where: { directory: dir },
    why,
    cause,
    fix,
  });
}

/** Makes the state directory of a store, and mends the modes of what is there. */
export function openState(root: string, state: string): Locks {
  claimRoot(root);
  openStateParent(state.slice(0, state.lastIndexOf("/")));
  // The root user of a user namespace has to walk through it to its root filesystem; everything in it has modes of its own.
  makeOurs(state, process.geteuid?.() === 0 ? 0o711 : 0o700);
  failpoint("store.state");
  return openLocks(`${state}/locks`);
}

/** Gives a store whose directory has just been looked at an id, unless it has one, and this user as its owner. */
export function makeFacts(db: Database, root: string): void {
  makeSkeleton(root);
  // SQLite gives what it makes later the mode of the database.
  for (const path of ["", "-wal", "-shm"].map((end) => `${db.path}${end}`))
    if (existsSync(path)) chmodSync(path, 0o600);
  // node:crypto would take 2 ms to load.
  const made = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
  db.write((tx) => {
    // Two first commands may race here: the row that is there first stays.
    tx.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('id', ?)", made);
    tx.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('owner', ?)", `${process.geteuid?.()}`);
  });
}
