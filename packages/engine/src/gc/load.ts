import type { Labels } from "@ctr/oci";
import { processState } from "@ctr/sys";
import { EXPIRE_LABEL } from "../metadata/images.ts";
import { labelsFromColumn } from "../metadata/labels.ts";
import { listActivations } from "../mounts/records.ts";
import type { ReadTx } from "../store/database.ts";
import { type Graph, GraphBuilder } from "./graph.ts";
import { nodeKey } from "./label-reference.ts";
import { parseTime } from "./time.ts";

const FLAT_LABEL = "containerd.io/gc.flat";
/** How long what a dead process fetched waits for the next try, in nanoseconds: a day. */
const RESUME_LIFE = 24n * 3600n * 1_000_000_000n;

/** Reads the graph of a namespace: one scan a table, whatever the number of records. */
export function loadGraph(tx: ReadTx, namespace: string, now: bigint): Graph {
  const graph = new GraphBuilder(now);
  loadBlobs(tx, graph, namespace);
  loadIngests(tx, graph, namespace, now);
  loadSnapshots(tx, graph, namespace);
  loadImages(tx, graph, namespace, now);
  loadContainers(tx, graph, namespace);
  loadSandboxes(tx, graph, namespace);
  loadActivations(tx, graph, namespace);
  loadLeases(tx, graph, namespace, now);
  return graph.build();
}

function loadBlobs(tx: ReadTx, graph: GraphBuilder, namespace: string): void {
  type Row = { readonly digest: string; readonly labels: string };
  for (const row of tx.all<Row>("SELECT digest, labels FROM blobs WHERE namespace = ?", namespace)) {
    graph.add("content", row.digest, labelsFromColumn(row.labels));
  }
}

function loadIngests(tx: ReadTx, graph: GraphBuilder, namespace: string, now: bigint): void {
  type Row = { readonly ref: string; readonly expected: string; readonly expires_at: bigint | null };
  const sql = "SELECT ref, expected, expires_at FROM ingests WHERE namespace = ?";
  for (const { ref, expected, expires_at } of tx.all<Row>(sql, namespace)) {
    // A writer that shares bytes already in the store keeps them.
    const own = expected === "" ? [] : [{ to: nodeKey("content", expected), why: "expected" }];
    const key = graph.add("ingests", ref, {}, own);
    if (expires_at !== null && expires_at > now) graph.root(key, "not expired");
  }
}

function loadSnapshots(tx: ReadTx, graph: GraphBuilder, namespace: string): void {
  type Row = {
    readonly snapshotter: string;
    readonly key: string;
    readonly labels: string;
    readonly parent: string | null;
  };
  const sql = `SELECT s.snapshotter, s.key, s.labels, p.key AS parent
    FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent WHERE s.namespace = ?`;
  for (const { snapshotter, key, labels, parent } of tx.all<Row>(sql, namespace)) {
    const type = `snapshots/${snapshotter}`;
    const own = parent === null ? [] : [{ to: nodeKey(type, parent), why: "parent" }];
    graph.add(type, key, labelsFromColumn(labels), own);
  }
}

function loadImages(tx: ReadTx, graph: GraphBuilder, namespace: string, now: bigint): void {
  type Row = { readonly name: string; readonly digest: string; readonly labels: string };
  for (const row of tx.all<Row>("SELECT name, digest, labels FROM images WHERE namespace = ?", namespace)) {
    const labels = labelsFromColumn(row.labels);
    const key = graph.add("images", row.name, labels, [{ to: nodeKey("content", row.digest), why: "target" }]);
    if (!isExpired(labels, now)) graph.root(key, "image");
  }
}

function loadContainers(tx: ReadTx, graph: GraphBuilder, namespace: string): void {
  type Row = {
    readonly id: string;
    readonly snapshotter: string;
    readonly snapshot_key: string;
    readonly labels: string;
  };
  const sql = "SELECT id, snapshotter, snapshot_key, labels FROM containers WHERE namespace = ?";
  for (const { id, snapshotter, snapshot_key, labels } of tx.all<Row>(sql, namespace)) {
    const own = [{ to: nodeKey(`snapshots/${snapshotter}`, snapshot_key), why: "snapshot" }];
    graph.root(graph.add("containers", id, labelsFromColumn(labels), own), "container");
  }
}

function loadSandboxes(tx: ReadTx, graph: GraphBuilder, namespace: string): void {
  type Row = { readonly id: string; readonly labels: string };
  for (const row of tx.all<Row>("SELECT id, labels FROM sandboxes WHERE namespace = ?", namespace)) {
    graph.root(graph.add("sandboxes", row.id, labelsFromColumn(row.labels)), "sandbox");
  }
}

/** Mounts that nothing names are taken down: their lease, or what their back references name, keeps them. */
function loadActivations(tx: ReadTx, graph: GraphBuilder, namespace: string): void {
  for (const { name, labels, ready, abandoned } of listActivations(tx, namespace)) {
    const key = graph.add("mounts", name, labels);
    if (!ready && !abandoned) graph.root(key, "being made");
  }
}

interface LeaseRow {
  readonly id: string;
  readonly labels: string;
  readonly created_at: bigint;
  readonly owner: string;
}

function loadLeases(tx: ReadTx, graph: GraphBuilder, namespace: string, now: bigint): void {
  const held = new Map<string, { readonly flat: boolean; readonly lapsed: boolean }>();
  const sql = "SELECT id, labels, created_at, owner FROM leases WHERE namespace = ?";
  for (const row of tx.all<LeaseRow>(sql, namespace)) {
    const labels = labelsFromColumn(row.labels);
    const key = graph.add("leases", row.id, {});
    const lapsed = row.owner !== "" && processState(row.owner) === "gone";
    if (isExpired(labels, now) || (lapsed && row.created_at + RESUME_LIFE < now)) continue;
    graph.root(key, "lease");
    held.set(row.id, { flat: labels[FLAT_LABEL] !== undefined, lapsed });
  }
  type Row = { readonly lease: string; readonly type: string; readonly id: string };
  const resources = "SELECT lease, type, id FROM lease_resources WHERE namespace = ?";
  for (const { lease, type, id } of tx.all<Row>(resources, namespace)) {
    const state = held.get(lease);
    // A dead process comes back for bytes it fetched, never for a snapshot it was working in.
    if (state === undefined || (state.lapsed && type.startsWith("snapshots/"))) continue;
    graph.root(nodeKey(type, id), `lease ${lease}`, state.flat);
  }
  const mounts = "SELECT name, lease FROM activations WHERE namespace = ? AND lease != '' AND state = 'ready'";
  for (const { name, lease } of tx.all<{ readonly name: string; readonly lease: string }>(mounts, namespace)) {
    const state = held.get(lease);
    if (state !== undefined && !state.lapsed) graph.root(nodeKey("mounts", name), `lease ${lease}`, state.flat);
  }
}

/** A time that cannot be read is no time. */
function isExpired(labels: Labels, now: bigint): boolean {
  const text = labels[EXPIRE_LABEL];
  const expiry = text === undefined ? undefined : parseTime(text);
  return expiry !== undefined && expiry < now;
}
