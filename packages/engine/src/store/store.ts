import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { ContainerdError } from "@ctr/api";
import { failpoint } from "../failpoint.ts";
import { type Clock, hostClock } from "./clock.ts";
import { Database, type DatabaseOptions } from "./database.ts";
import { type Locks, openLocks } from "./locks.ts";
import { makeSkeleton } from "./skeleton.ts";

/**
 * One store: what lasts in `root`, what lasts until the next boot in `state`. Opened by `openStore`, by any number of
 * processes at once; ended by disposing, which changes nothing in it.
 */
export interface Store extends Disposable {
  /** Random and lasting; 12 hex digits. */
  readonly id: string;
  readonly root: string;
  /** Bundles, sockets and locks; short, as socket paths have 107 bytes at most. */
  readonly state: string;
  readonly db: Database;
  readonly locks: Locks;
  readonly clock: Clock;
}

export interface OpenStoreOptions extends DatabaseOptions {
  /** Directory the state directories of all stores are in; `/run/ctr` or the user's own. */
  readonly stateParent?: string;
  readonly clock?: Clock;
}

/** What containerd keeps in its root: its store and ours in one directory would delete each other's blobs. */
const FOREIGN = "io.containerd.metadata.v1.bolt";

/**
 * Opens the store in `root`, and makes it if it is not there. `permission_denied` when another user owns it,
 * `failed_precondition` when a containerd uses the directory.
 *
 * Every command opens one, and most only read: what node:fs is needed for, a millisecond's load, waits until something
 * is made. A database that says it is this user's has been through that.
 */
export function openStore(root: string, options: OpenStoreOptions = {}): Store {
  const path = `${root}/meta.db`;
  const isThere = Bun.file(path).size > 0;
  if (!isThere) claimRoot(root);
  const db = new Database(path, options);
  try {
    const { id, owner } = readFacts(db);
    const known = id !== undefined && owner === `${process.geteuid?.()}`;
    const stateOf = (made: string) => `${options.stateParent ?? defaultStateParent()}/${made}`;
    if (known) return storeOf(root, { db, id, state: stateOf(id) }, options);
    if (isThere) claimRoot(root);
    const made = recordFacts(db, root);
    return storeOf(root, { db, id: made, state: stateOf(made) }, options);
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

interface Opened {
  readonly db: Database;
  readonly id: string;
  readonly state: string;
}

/** The state directory is made, and the modes of all are mended, when it is first asked for. */
function storeOf(root: string, { db, id, state }: Opened, options: OpenStoreOptions): Store {
  let locks: Locks | undefined;
  const ready = () => {
    if (locks !== undefined) return locks;
    claimRoot(root);
    openStateParent(state.slice(0, state.lastIndexOf("/")));
    // The root user of a user namespace has to walk through it to its root filesystem; everything in it has modes of its own.
    makeOurs(state, process.geteuid?.() === 0 ? 0o711 : 0o700);
    failpoint("store.state");
    locks = openLocks(`${state}/locks`);
    return locks;
  };
  return {
    id,
    root,
    get state() {
      ready();
      return state;
    },
    db,
    get locks() {
      return ready();
    },
    clock: options.clock ?? hostClock,
    [Symbol.dispose]: () => db[Symbol.dispose](),
  };
}

/** `/var/lib/ctr` for root, `$XDG_DATA_HOME/ctr` for anyone else. */
export function defaultRoot(): string {
  if (process.getuid?.() === 0) return "/var/lib/ctr";
  return `${process.env["XDG_DATA_HOME"] || `${homeDir()}/.local/share`}/ctr`;
}

/** The directory that the state directories of all of a user's stores are in. */
export function defaultStateParent(): string {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return "/run/ctr";
  const runtimeDir = process.env["XDG_RUNTIME_DIR"];
  // Without a session there is no such directory; the store's own will do, as it is the user's alone.
  return runtimeDir ? `${runtimeDir}/ctr` : `${defaultRoot()}/state`;
}

function homeDir(): string {
  const home = process.env["HOME"];
  if (home) return home;
  throw new ContainerdError({
    code: "failed_precondition",
    what: "cannot tell where to keep containers",
    why: "neither XDG_DATA_HOME nor HOME is set",
    fix: "name a directory with --address embedded:///some/root",
  });
}

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

/** What the database says of the store: its id, and the user whose it was when somebody last looked. */
function readFacts(db: Database): { readonly id: string | undefined; readonly owner: string | undefined } {
  type Fact = { readonly key: string; readonly value: string };
  const facts = db.read((tx) => tx.all<Fact>("SELECT key, value FROM meta WHERE key IN ('id', 'owner')"));
  const textOf = (key: string) => facts.find((fact) => fact.key === key)?.value;
  return { id: textOf("id"), owner: textOf("owner") };
}

/** The id of a store whose directory has just been looked at. */
function recordFacts(db: Database, root: string): string {
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
  return readFacts(db).id ?? made;
}
