import type { Database as Sqlite } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { protobufAny } from "@ctr/api";
import { SPEC_TYPE_URL } from "@ctr/oci";
import { listMounts, type MountEntry } from "@ctr/sys";

/** A bundle: what a shim was started in, and all that is left of a container whose row is lost. */
export interface Bundle {
  readonly namespace: string;
  readonly id: string;
  readonly path: string;
}

/** The directories a root filesystem is mounted from: its own, if it has one, and those below, the nearest first. */
interface Stack {
  readonly snapshotter: string;
  readonly own: bigint | undefined;
  readonly below: readonly bigint[];
}

/**
 * Gives containers that run rows again, so that they can be seen, stopped and removed, and the snapshots they are mounted
 * from, which would be collected under them. What a bundle does not tell is lost: the image's name, labels, options of
 * the runtime. So are the names of snapshots: those below are called by their ids.
 */
export function readoptContainers(db: Sqlite, root: string, bundles: readonly Bundle[]) {
  const mounts = listMounts();
  let containers = 0;
  let snapshots = 0;
  for (const bundle of bundles) {
    const stack = stackOf(
      root,
      mounts.findLast(({ mountPoint }) => mountPoint === join(bundle.path, "rootfs")),
    );
    const key = keyOf(db, bundle);
    if (stack !== undefined) snapshots += addSnapshots(db, bundle, stack, key);
    containers += addContainer(db, bundle, stack, key);
  }
  return { containers, snapshots };
}

const SNAPSHOT = /\/io\.containerd\.snapshotter\.v1\.(overlayfs|native)\/snapshots\/(\d+)(?:\/fs)?$/;

function stackOf(root: string, mount: MountEntry | undefined): Stack | undefined {
  if (mount === undefined) return undefined;
  const option = (name: string) =>
    mount.superOptions.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  const upper = mount.type === "overlay" ? option("upperdir") : mount.root;
  const lower = mount.type === "overlay" ? (option("lowerdir")?.split(":") ?? []) : [];
  const below = lower.flatMap((path) => snapshotAt(root, path) ?? []);
  const own = upper === undefined ? undefined : snapshotAt(root, upper);
  const snapshotter = (own ?? below[0])?.snapshotter;
  if (snapshotter === undefined || below.length !== lower.length) return undefined;
  return { snapshotter, own: own?.id, below: below.map(({ id }) => id) };
}

/** A snapshot of this store; in the root of a bind mount the path begins where its file system does. */
function snapshotAt(root: string, path: string): { readonly snapshotter: string; readonly id: bigint } | undefined {
  const [tail = "", snapshotter = "", id = ""] = SNAPSHOT.exec(path) ?? [];
  const ours = id !== "" && root.endsWith(path.slice(0, -tail.length)) && existsSync(join(root, tail));
  return ours ? { snapshotter, id: BigInt(id) } : undefined;
}

/** As `ctr run` names it, unless the container's row is there to say. */
function keyOf(db: Sqlite, { namespace, id }: Bundle): string {
  const known = db
    .query<{ readonly snapshot_key: string }, [string, string]>(
      "SELECT snapshot_key FROM containers WHERE namespace = ? AND id = ?",
    )
    .get(namespace, id);
  return known?.snapshot_key || id;
}

function addSnapshots(db: Sqlite, { namespace }: Bundle, { snapshotter, own, below }: Stack, key: string): number {
  const insert = db.query(
    `INSERT OR IGNORE INTO snapshots (id, namespace, snapshotter, key, kind, parent, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const now = BigInt(Date.now()) * 1_000_000n;
  let added = 0;
  let parent: bigint | null = null;
  for (const id of below.toReversed()) {
    added += insert.run(id, namespace, snapshotter, `recovered-${id}`, "committed", parent, now, now).changes;
    parent = id;
  }
  if (own !== undefined) added += insert.run(own, namespace, snapshotter, key, "active", parent, now, now).changes;
  return added;
}

function addContainer(db: Sqlite, { namespace, id, path }: Bundle, stack: Stack | undefined, key: string): number {
  const spec = readBytes(join(path, "config.json"));
  const runtime = runtimeOf(path);
  // A bundle that was never finished has no shim, and nothing runs in it.
  if (spec === undefined || runtime === undefined) return 0;
  const any = protobufAny.Any.encode({ typeUrl: SPEC_TYPE_URL, value: spec }).finish();
  const now = BigInt(Date.now()) * 1_000_000n;
  db.query("INSERT OR IGNORE INTO namespaces (name) VALUES (?)").run(namespace);
  return db
    .query(
      `INSERT OR IGNORE INTO containers (namespace, id, image, runtime, spec, snapshotter, snapshot_key, sandbox,
         created_at, updated_at) VALUES (?, ?, '', ?, ?, ?, ?, '', ?, ?)`,
    )
    .run(namespace, id, runtime, any, stack?.snapshotter ?? "", stack === undefined ? "" : key, now, now).changes;
}

/** The runtime by its name where the shim has the usual one, else by its path. */
function runtimeOf(bundle: string): string | undefined {
  const binary = readBytes(join(bundle, "shim-binary-path"))?.toString().trim();
  if (!binary) return undefined;
  const [, kind, version] = /^containerd-shim-([^-]+)-([^-]+)$/.exec(basename(binary)) ?? [];
  return kind === undefined ? binary : `io.containerd.${kind}.${version}`;
}

function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    // Not written: the process that made the bundle was killed before.
    return undefined;
  }
}
