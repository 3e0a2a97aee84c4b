import type { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { stateOf } from "./engine.ts";
import { openStoreDatabase } from "./store-database.ts";

/** What is to be found in a store, by its database and by its disk; read with none of the engine's own code. */
export interface StoreReport {
  /**
   * Rows that promise what is not there, one sentence each: a sound store has none, whatever ended the last command. A
   * container may lack its snapshot: containerd's clients remove the one before the other.
   */
  readonly problems: readonly string[];
  /** Files that no row knows of, and what the next collection is to take. */
  readonly garbage: readonly string[];
  /** How many rows the tables of things have; empty ones are left out. */
  readonly rows: Readonly<Record<string, number>>;
}

const TABLES = [
  ...["images", "containers", "tasks", "sandboxes", "blobs"],
  ...["ingests", "snapshots", "proxied_snapshots", "leases", "lease_resources", "activations"],
];

interface Blob {
  readonly namespace: string;
  readonly digest: string;
  readonly size: number;
}

/** Looks at a store that nobody is writing to; one that was never made is sound and empty. */
export function checkStore(root: string): StoreReport {
  const empty = { problems: [], garbage: [], rows: {} };
  if (!existsSync(join(root, "meta.db"))) return empty;
  using opened = openStoreDatabase(root);
  const { db } = opened;
  if (db.query("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() === null) return empty;
  // The statements name the columns that the types have.
  const all = <Row>(sql: string) => db.query(sql).all() as Row[];
  const blobs = all<Blob>("SELECT namespace, digest, size FROM blobs");
  const snapshots = all<Snapshot>("SELECT id, namespace, snapshotter, key, kind, parent FROM snapshots");
  const ingests = all<Ingest>("SELECT id, namespace, ref FROM ingests");
  const problems = [
    ...integrityOf(db),
    ...unique(blobs, (blob) => blob.digest).flatMap((blob) => blobProblems(root, blob)),
    ...snapshots.flatMap((snapshot) => snapshotProblems(root, snapshot, snapshots)),
    ...all<Image>("SELECT namespace, name, digest FROM images").flatMap((image) => imageProblems(root, image, blobs)),
    ...all<Task>("SELECT id, bundle, pid FROM tasks").flatMap(taskProblems),
  ];
  const garbage = [
    ...strays(join(root, CONTENT, "blobs/sha256"), new Set(blobs.map((blob) => hexOf(blob.digest)))),
    ...strays(join(root, CONTENT, "ingest"), new Set(ingests.map(ingestName))),
    ...["overlayfs", "native"].flatMap((name) => strays(snapshotDir(root, name), idsOf(snapshots, name))),
    ...strays(join(root, "trash"), new Set()),
    ...(hasState(db) ? bundlesOf(stateOf(root), all<Task>("SELECT id, bundle, pid FROM tasks")) : []),
  ];
  const counts = TABLES.map((table) => [table, all<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)[0]?.n ?? 0]);
  return { problems, garbage, rows: Object.fromEntries(counts.filter(([, count]) => count !== 0)) };
}

const CONTENT = "io.containerd.content.v1.content";

function snapshotDir(root: string, snapshotter: string): string {
  return join(root, `io.containerd.snapshotter.v1.${snapshotter}`, "snapshots");
}

function integrityOf(db: Database): readonly string[] {
  const answers = db.query("PRAGMA integrity_check").values().flat().map(String);
  const broken = db.query("PRAGMA foreign_key_check").values();
  return [
    ...answers.filter((answer) => answer !== "ok").map((answer) => `database: ${answer}`),
    ...broken.map((row) => `database: a row without the one it hangs off: ${row.join(" ")}`),
  ];
}

function blobProblems(root: string, { digest, size }: Blob): readonly string[] {
  const path = blobPath(root, digest);
  if (!existsSync(path)) return [`blob ${digest} has no file`];
  const bytes = readFileSync(path);
  if (bytes.byteLength !== size) return [`blob ${digest} has ${bytes.byteLength} bytes, its row says ${size}`];
  const [algorithm = ""] = digest.split(":");
  const actual = createHash(algorithm).update(bytes).digest("hex");
  return actual === hexOf(digest) ? [] : [`blob ${digest} has the bytes of ${actual}`];
}

interface Snapshot {
  readonly id: number;
  readonly namespace: string;
  readonly snapshotter: string;
  readonly key: string;
  readonly kind: string;
  readonly parent: number | null;
}

function snapshotProblems(
  root: string,
  { id, key, snapshotter, parent }: Snapshot,
  all: readonly Snapshot[],
): readonly string[] {
  const dir = join(snapshotDir(root, snapshotter), String(id), snapshotter === "overlayfs" ? "fs" : "");
  const missing = existsSync(dir) ? [] : [`snapshot ${key} (${id}) has no directory`];
  if (parent === null) return missing;
  const below = all.find((each) => each.id === parent);
  return below?.kind === "committed" ? missing : [...missing, `snapshot ${key} stands on ${below?.kind ?? "nothing"}`];
}

interface Image {
  readonly namespace: string;
  readonly name: string;
  readonly digest: string;
}

/** The part of an image that was fetched: of an index those manifests that are there, of a manifest everything. */
function imageProblems(root: string, { namespace, name, digest }: Image, blobs: readonly Blob[]): readonly string[] {
  const known = new Set(blobs.filter((blob) => blob.namespace === namespace).map((blob) => blob.digest));
  const visit = (at: string): readonly string[] => {
    if (!known.has(at)) return [`image ${name} lacks ${at}`];
    const { manifests, config, layers = [] } = readJson(blobPath(root, at));
    if (manifests !== undefined)
      return manifests.filter((child) => known.has(child.digest)).flatMap((c) => visit(c.digest));
    return [...(config === undefined ? [] : [config]), ...layers]
      .filter((child) => !known.has(child.digest))
      .map((child) => `image ${name} lacks ${child.digest}`);
  };
  return visit(digest);
}

interface Document {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

function readJson(path: string): Document {
  // What a test pulled or imported is a manifest or an index; a missing file is told of as the blob's.
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Document) : {};
}

interface Task {
  readonly id: string;
  readonly bundle: string;
  readonly pid: number;
}

function taskProblems({ id, bundle, pid }: Task): readonly string[] {
  return pid === 0 || existsSync(bundle) ? [] : [`task ${id} has no bundle`];
}

interface Ingest {
  readonly id: number;
  readonly namespace: string;
  readonly ref: string;
}

function ingestName({ namespace, id, ref }: Ingest): string {
  return createHash("sha256").update(`${namespace}/${id}/${ref}`).digest("hex");
}

function strays(dir: string, known: ReadonlySet<string>): readonly string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => !known.has(name))
    .map((name) => join(dir, name));
}

/** A process that is killed early leaves a store that has no id yet. */
function hasState(db: Database): boolean {
  return db.query("SELECT 1 FROM meta WHERE key = 'id'").get() !== null;
}

/** Bundles are two levels down: namespace, then id. */
function bundlesOf(state: string, tasks: readonly Task[]): readonly string[] {
  const known = new Set(tasks.map((task) => task.bundle));
  const dir = join(state, "bundles");
  const namespaces = existsSync(dir) ? readdirSync(dir).filter((name) => statSync(join(dir, name)).isDirectory()) : [];
  const bundles = namespaces.flatMap((name) => readdirSync(join(dir, name)).map((id) => join(dir, name, id)));
  return bundles.filter((bundle) => !known.has(bundle));
}

function idsOf(snapshots: readonly Snapshot[], snapshotter: string): ReadonlySet<string> {
  return new Set(snapshots.filter((each) => each.snapshotter === snapshotter).map((each) => String(each.id)));
}

function blobPath(root: string, digest: string): string {
  return join(root, CONTENT, "blobs", digest.replace(":", "/"));
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}

function unique<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()];
}
