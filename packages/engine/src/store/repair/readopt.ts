import { Database as Sqlite } from "bun:sqlite";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Digest, digestAlgorithm, isDigest } from "@ctr/oci";
import { blobPath, contentLayout } from "../../content/layout.ts";
import { blobReferences, findReachable } from "./blob-references.ts";
import { blobsOnDisk, namesIn, snapshotsOnDisk } from "./diagnose.ts";
import { type Bundle, readoptContainers } from "./readopt-containers.ts";

interface Target {
  readonly root: string;
  /** The new database. */
  readonly db: string;
  /** The directory that the state directories of all stores are in. */
  readonly stateParent: string;
}

/** The namespace of blobs that nothing readable refers to. */
const LOST_AND_FOUND = "default";

const DAY_MS = 24 * 3600 * 1000;

/** Gives rows to what is on disk and has none in the new database: the store's id, tasks, their containers, and blobs. */
export async function readopt({ root, db: path, stateParent }: Target) {
  using db = new Sqlite(path, { strict: true, safeIntegers: true });
  const blobs = await soundStrays(db, root);
  return db.transaction(() => {
    const state = findState(db, root, stateParent);
    const running = state === undefined ? [] : bundlesIn(state).filter(({ path }) => pidOf(path) > 0);
    return {
      tasks: readoptTasks(db, running),
      ...readoptContainers(db, root, running),
      blobs: readoptBlobs(db, root, blobs),
      lost: lostSnapshots(db, root),
    };
  })();
}

function lostSnapshots(db: Sqlite, root: string): number {
  const rows = db.query<{ readonly name: string }, []>("SELECT snapshotter || '/' || id AS name FROM snapshots").all();
  const known = new Set(rows.map(({ name }) => name));
  return snapshotsOnDisk(root).filter((name) => !known.has(name)).length;
}

/** Shims go by the store's state directory, which goes by its id: one that is lost is told by a bundle's link to us. */
function findState(db: Sqlite, root: string, stateParent: string): string | undefined {
  const known = db.query<{ readonly value: string }, []>("SELECT value FROM meta WHERE key = 'id'").get()?.value;
  if (known !== undefined) return join(stateParent, known);
  const id = namesIn(stateParent).find((name) =>
    bundlesIn(join(stateParent, name)).some((at) => isOurs(at.path, root)),
  );
  if (id === undefined) return undefined;
  db.query("INSERT INTO meta (key, value) VALUES ('id', ?)").run(id);
  return join(stateParent, id);
}

function bundlesIn(state: string): readonly Bundle[] {
  const dir = join(state, "bundles");
  return directoriesIn(dir).flatMap((namespace) =>
    directoriesIn(join(dir, namespace)).map((id) => ({ namespace, id, path: join(dir, namespace, id) })),
  );
}

/** A name that begins with a dot is a bundle half removed. */
function directoriesIn(dir: string): readonly string[] {
  return namesIn(dir).filter((name) => !name.startsWith(".") && statSync(join(dir, name)).isDirectory());
}

function isOurs(bundle: string, root: string): boolean {
  try {
    return readlinkSync(join(bundle, "work")).startsWith(`${root}/`);
  } catch {
    // A bundle that was never finished has no link, and no shim.
    return false;
  }
}

/** A task without a row would be taken for debris, and its container be killed. */
function readoptTasks(db: Sqlite, running: readonly Bundle[]): number {
  const insert = db.query(
    "INSERT OR IGNORE INTO tasks (namespace, id, bundle, pid, created_at) VALUES (?, ?, ?, ?, ?)",
  );
  let added = 0;
  for (const { namespace, id, path } of running)
    added += insert.run(namespace, id, path, pidOf(path), nowNanos()).changes;
  return added;
}

/** The runc shim writes it when the container is made. */
function pidOf(bundle: string): number {
  try {
    return Number.parseInt(readFileSync(join(bundle, "init.pid"), "utf8"), 10);
  } catch {
    // Never made: there is nothing to find again.
    return 0;
  }
}

/** Blobs on disk without any row whose bytes are the right ones. */
async function soundStrays(db: Sqlite, root: string): Promise<readonly Digest[]> {
  const known = db.query("SELECT 1 FROM blobs WHERE digest = ? LIMIT 1");
  const strays = blobsOnDisk(root)
    .filter(isDigest)
    .filter((digest) => known.get(digest) === null);
  const sound: Digest[] = [];
  for (const digest of strays) if ((await hashOf(root, digest)) === digest) sound.push(digest);
  return sound;
}

async function hashOf(root: string, digest: Digest): Promise<string> {
  const algorithm = digestAlgorithm(digest);
  const hash = new Bun.CryptoHasher(algorithm === "sha512" ? "sha512" : algorithm === "sha384" ? "sha384" : "sha256");
  for await (const chunk of Bun.file(blobPath(contentLayout({ root }), digest)).stream()) hash.update(chunk);
  return `${algorithm}:${hash.digest("hex")}`;
}

function readoptBlobs(db: Sqlite, root: string, blobs: readonly Digest[]): number {
  if (blobs.length === 0) return 0;
  const reached = findReachable(db, root);
  for (const digest of blobs) {
    const namespaces = [...reached].filter(([, digests]) => digests.has(digest)).map(([namespace]) => namespace);
    for (const namespace of namespaces.length === 0 ? [LOST_AND_FOUND] : namespaces)
      addBlob(db, root, namespace, digest);
  }
  return blobs.length;
}

function addBlob(db: Sqlite, root: string, namespace: string, digest: Digest): void {
  const now = nowNanos();
  const expiry = JSON.stringify({ "containerd.io/gc.expire": new Date(Date.now() + DAY_MS).toISOString() });
  const size = statSync(blobPath(contentLayout({ root }), digest)).size;
  const labels = JSON.stringify(blobReferences(db, root, namespace, digest));
  db.query("INSERT OR IGNORE INTO namespaces (name) VALUES (?)").run(namespace);
  db.query("INSERT OR IGNORE INTO leases (namespace, id, labels, created_at) VALUES (?, 'repair', ?, ?)").run(
    namespace,
    expiry,
    now,
  );
  db.query("UPDATE leases SET labels = ? WHERE namespace = ? AND id = 'repair'").run(expiry, namespace);
  db.query(
    "INSERT OR IGNORE INTO blobs (namespace, digest, size, labels, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
  ).run(namespace, digest, size, labels, now, now);
  db.query("INSERT OR IGNORE INTO lease_resources (namespace, lease, type, id) VALUES (?, 'repair', 'content', ?)").run(
    namespace,
    digest,
  );
}

function nowNanos(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
