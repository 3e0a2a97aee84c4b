-- The database of release 0.1.0 with a row or two in its tables. Never changed: it is what that release wrote.
PRAGMA user_version = 1;
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

INSERT INTO meta VALUES ('id', '0123456789ab');
INSERT INTO namespaces VALUES ('old', '{"team":"core"}');
INSERT INTO images VALUES ('old', 'old.test/image:1', 'application/vnd.oci.image.manifest.v1+json',
  'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 7, '{}', '{}', 1700000000000000000, 1700000000000000000);
INSERT INTO containers VALUES ('old', 'c1', 'old.test/image:1', 'io.containerd.runc.v2', NULL, NULL, 'overlayfs', 'c1', '',
  '{}', '{"from":"0.1.0"}', 1700000000000000000, 1700000000000000000);
INSERT INTO leases VALUES ('old', 'kept', '{}', 1700000000000000000, '');
INSERT INTO lease_resources VALUES ('old', 'kept', 'content', 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO events VALUES (41, 1700000000000000000, 1700000000000000000, 'old', '/images/create', 'none', x'', NULL);
