import { ContainerdError } from "@ctr/api";
import { type Clock, hostClock } from "./clock.ts";
import { Database, type DatabaseOptions } from "./database.ts";
import type { Locks } from "./locks.ts";

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

/**
 * Opens the store in `root`, and makes it if it is not there. `permission_denied` when another user owns it,
 * `failed_precondition` when a containerd uses the directory.
 *
 * Every command opens one, and most only read: what makes and looks at directories, with node:fs, is loaded when something
 * is made. A database that says it is this user's has been through that.
 */
export function openStore(root: string, options: OpenStoreOptions = {}): Store {
  const path = `${root}/meta.db`;
  const isThere = Bun.file(path).size > 0;
  if (!isThere) making().claimRoot(root);
  const db = new Database(path, options);
  try {
    const { id, owner } = readFacts(db);
    const known = id !== undefined && owner === `${process.geteuid?.()}`;
    const stateOf = (made: string) => `${options.stateParent ?? defaultStateParent()}/${made}`;
    if (known) return storeOf(root, { db, id, state: stateOf(id) }, options);
    if (isThere) making().claimRoot(root);
    making().makeFacts(db, root);
    const made = readFacts(db).id ?? "";
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
    locks ??= making().openState(root, state);
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

/** What the database says of the store: its id, and the user whose it was when somebody last looked. */
function readFacts(db: Database): { readonly id: string | undefined; readonly owner: string | undefined } {
  type Fact = { readonly key: string; readonly value: string };
  let id: string | undefined;
  let owner: string | undefined;
  for (const { key, value } of db.read((tx) =>
    tx.all<Fact>("SELECT key, value FROM meta WHERE key IN ('id', 'owner')"),
  )) {
    if (key === "id") id = value;
    else owner = value;
  }
  return { id, owner };
}

function making(): typeof import("./directories.ts") {
  return require("./directories.ts");
}
