import type { READ_VERSION } from "./reader.ts";

/**
 * The tables as a tree; indented ones hang off the row above them by its key. Every key begins with the namespace.
 *
 *     meta                      one row a fact: the store's id, whether GC is due
 *     namespaces                (name)
 *       images                  (namespace, name)
 *       containers              (namespace, id)
 *         tasks                 (namespace, id, exec_id): the task has exec_id ""
 *       sandboxes               (namespace, id)
 *       blobs                   (namespace, digest): the bytes are shared, the record is not
 *       ingests                 (namespace, ref): id names the directory
 *       snapshots               (namespace, snapshotter, key): id names the directory, parent is a row of this table
 *         proxied_snapshots     (namespace, snapshotter, backend): its name in another daemon; outlives its snapshot
 *       leases                  (namespace, id)
 *         lease_resources       (namespace, lease, type, id)
 *       activations             (namespace, name): mounts that stand under <state>/mounts/<id>
 *     events                    (seq): the journal
 *
 * Times are nanoseconds since 1970; labels and annotations are JSON objects of text; an Any is the bytes of a
 * google.protobuf.Any, extensions are a JSON object of those in base64. Ids that name directories are never used twice (AUTOINCREMENT).
 */
const FIRST_SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE namespaces (
  name TEXT PRIMARY KEY,
  labels TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
  namespace TEXT NOT NULL, name TEXT NOT NULL,
  media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, annotations TEXT NOT NULL DEFAULT '{}',
  labels TEXT NOT NULL DEFAULT '{}', created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE containers (
  namespace TEXT NOT NULL, id TEXT NOT NULL,
  image TEXT NOT NULL, runtime TEXT NOT NULL, runtime_options BLOB, spec BLOB,
  snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL, sandbox TEXT NOT NULL,
  extensions TEXT NOT NULL DEFAULT '{}', labels TEXT NOT NULL DEFAULT '{}', created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, id)
) STRICT;

CREATE TABLE sandboxes (
  namespace TEXT NOT NULL, id TEXT NOT NULL,
  runtime TEXT NOT NULL, runtime_options BLOB, spec BLOB, sandboxer TEXT NOT NULL,
  extensions TEXT NOT NULL DEFAULT '{}', labels TEXT NOT NULL DEFAULT '{}', created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, id)
) STRICT;

CREATE TABLE tasks (
  namespace TEXT NOT NULL, id TEXT NOT NULL, exec_id TEXT NOT NULL DEFAULT '',
  bundle TEXT NOT NULL DEFAULT '', pid INTEGER NOT NULL DEFAULT 0,
  stdin TEXT NOT NULL DEFAULT '', stdout TEXT NOT NULL DEFAULT '', stderr TEXT NOT NULL DEFAULT '',
  terminal INTEGER NOT NULL DEFAULT 0,
  exit_status INTEGER, exited_at INTEGER, exit_published INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, id, exec_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
  namespace TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}', created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_by_digest ON blobs (digest);

CREATE TABLE ingests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL, ref TEXT NOT NULL,
  expected TEXT NOT NULL DEFAULT '', total INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER,
  UNIQUE (namespace, ref)
) STRICT;

CREATE TABLE snapshots (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL, snapshotter TEXT NOT NULL, key TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('view', 'active', 'committed')),
  parent INTEGER REFERENCES snapshots (id),
  labels TEXT NOT NULL DEFAULT '{}', size INTEGER NOT NULL DEFAULT 0, inodes INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  UNIQUE (namespace, snapshotter, key)
) STRICT;
CREATE INDEX snapshots_by_parent ON snapshots (parent);

CREATE TABLE leases (
  namespace TEXT NOT NULL, id TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}', created_at INTEGER NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease_resources (
  namespace TEXT NOT NULL, lease TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (namespace, lease, type, id),
  FOREIGN KEY (namespace, lease) REFERENCES leases (namespace, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_resources_by_id ON lease_resources (namespace, type, id);

CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL, added_at INTEGER NOT NULL, namespace TEXT NOT NULL, topic TEXT NOT NULL, type_url TEXT NOT NULL, value BLOB NOT NULL,
  once TEXT UNIQUE
) STRICT;
`;

/** Rowids tell which of two came first: a child is always younger than its parent. */
const PROXIED_SNAPSHOTS = `
CREATE TABLE proxied_snapshots (
  namespace TEXT NOT NULL, snapshotter TEXT NOT NULL, backend TEXT NOT NULL,
  snapshot INTEGER REFERENCES snapshots (id) ON DELETE SET NULL,
  state TEXT NOT NULL CHECK (state IN ('making', 'made', 'committing', 'removing')),
  owner TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (namespace, snapshotter, backend)
) STRICT;
CREATE INDEX proxied_by_snapshot ON proxied_snapshots (snapshot);
CREATE INDEX proxied_by_backend ON proxied_snapshots (snapshotter, backend);
`;

const ACTIVATIONS = `
CREATE TABLE activations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL, name TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}', lease TEXT NOT NULL DEFAULT '',
  active TEXT NOT NULL DEFAULT '[]', system TEXT NOT NULL DEFAULT '[]',
  state TEXT NOT NULL CHECK (state IN ('making', 'ready')), owner TEXT NOT NULL DEFAULT '', created_at INTEGER NOT NULL,
  UNIQUE (namespace, name)
) STRICT;
`;

/** What brings a database from version n to n + 1, by n. Only ever appended to. */
export const migrations = [FIRST_SCHEMA, PROXIED_SNAPSHOTS, ACTIVATIONS] as const satisfies readonly string[] & {
  readonly length: typeof READ_VERSION;
};

/** The version this program writes; it reads and writes no other. */
export const SCHEMA_VERSION = migrations.length;
