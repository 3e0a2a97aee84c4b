import type { Database as Sqlite } from "bun:sqlite";
import { readFileSync, statSync } from "node:fs";
import { chainIDOf, type Descriptor, type Digest, gcReferences, isDigest, type Labels } from "@ctr/oci";
import { blobPath, contentLayout } from "../../content/layout.ts";

/** No manifest or configuration is larger: a registry that would have one is refused too. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** The labels by which collections find what a manifest, an index or a configuration needs; they were lost with its row. */
export function blobReferences(db: Sqlite, root: string, namespace: string, digest: Digest): Labels {
  const document = readDocument(root, digest);
  return { ...gcReferences(childrenOf(document)), ...snapshotReferences(db, namespace, document) };
}

/** What the images of each namespace lead to, by what the bytes of their manifests say. */
export function findReachable(db: Sqlite, root: string): ReadonlyMap<string, ReadonlySet<string>> {
  const images = db.query<{ readonly namespace: string; readonly digest: string }, []>(
    "SELECT DISTINCT namespace, digest FROM images",
  );
  const reached = new Map<string, Set<string>>();
  for (const { namespace, digest } of images.all()) {
    const seen = reached.get(namespace) ?? new Set();
    reached.set(namespace, seen);
    visit(root, digest, seen);
  }
  return reached;
}

function visit(root: string, digest: string, seen: Set<string>): void {
  if (!isDigest(digest) || seen.has(digest)) return;
  seen.add(digest);
  for (const child of childrenOf(readDocument(root, digest))) visit(root, child.digest, seen);
}

type Document = Readonly<Record<string, unknown>>;

/** The JSON object a blob holds; undefined for a layer. */
function readDocument(root: string, digest: Digest): Document | undefined {
  const path = blobPath(contentLayout({ root }), digest);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined || size > MAX_DOCUMENT_BYTES) return undefined;
  const bytes = readFileSync(path);
  if (bytes[0] !== 0x7b) return undefined;
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    return isDocument(parsed) ? parsed : undefined;
  } catch {
    // Any bytes may be a blob.
    return undefined;
  }
}

function isDocument(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function childrenOf(document: Document | undefined): readonly Descriptor[] {
  if (document === undefined) return [];
  const lists = [document["manifests"], [document["config"]], document["layers"]];
  return lists.flatMap((list) => (Array.isArray(list) ? list.flatMap(descriptorsOf) : []));
}

function descriptorsOf(value: unknown): readonly Descriptor[] {
  if (!isDocument(value)) return [];
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== "string" || typeof digest !== "string" || !isDigest(digest)) return [];
  return [{ mediaType, digest, size: BigInt(typeof size === "number" && Number.isInteger(size) ? size : 0) }];
}

/** Of a configuration: the snapshots its layers were unpacked to. */
function snapshotReferences(db: Sqlite, namespace: string, document: Document | undefined): Labels {
  const rootfs = document?.["rootfs"];
  const listed = isDocument(rootfs) && Array.isArray(rootfs["diff_ids"]) ? rootfs["diff_ids"] : [];
  const diffIDs = listed.filter((id): id is Digest => typeof id === "string" && isDigest(id));
  if (diffIDs.length === 0) return {};
  const chainID = chainIDOf(diffIDs);
  const snapshotters = db
    .query<{ readonly snapshotter: string }, string[]>(
      "SELECT snapshotter FROM snapshots WHERE namespace = ? AND key = ?",
    )
    .all(namespace, chainID);
  return Object.fromEntries(
    snapshotters.map(({ snapshotter }) => [`containerd.io/gc.ref.snapshot.${snapshotter}`, chainID]),
  );
}
