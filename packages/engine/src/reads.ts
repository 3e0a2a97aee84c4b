import type { ContentInfo, Digest, Image, Labels, SnapshotInfo } from "@ctr/oci";
import type { ContainerRecord } from "./metadata/containers.ts";
import type { ImageRow, TargetRow } from "./metadata/image-row.ts";
import { labelsFromColumn } from "./metadata/label-column.ts";
import { checkIdentifier } from "./scope.ts";
import { ownSnapshotters } from "./snapshots/layout.ts";
import { NANOS_PER_SECOND, timestampOf } from "./store/clock.ts";
import type { ReadTx } from "./store/database.ts";
import type { Store } from "./store/store.ts";

/**
 * Rows that commands begin with, and whole lists with what a list shows and no more. The services answer the same, and more, but to
 * load one and its messages takes longer than all that a short command does else. Loops, not `map`: that is a function
 * which the runtime parses when a program first calls it, for 0.06 ms.
 */
export class Reads {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  namespaces(): readonly { readonly name: string; readonly labels: Labels }[] {
    type Row = { readonly name: string } & Labelled;
    const rows = this.#all<Row>("SELECT name, labels FROM namespaces ORDER BY name");
    const namespaces: { readonly name: string; readonly labels: Labels }[] = [];
    for (const { name, labels } of rows) namespaces.push({ name, labels: labelsFromColumn(labels) });
    return namespaces;
  }

  /** A namespace that has a row. */
  namespace(name: string): { readonly name: string; readonly labels: Labels } | undefined {
    const [row] = this.#all<Labelled>("SELECT labels FROM namespaces WHERE name = ?", name);
    return row && { name, labels: labelsFromColumn(row.labels) };
  }

  async image(namespace: string, name: string): Promise<Image | undefined> {
    const sql = "SELECT * FROM images WHERE namespace = ? AND name = ?";
    const [row] = this.#all<ImageRow>(sql, checkIdentifier(namespace, "namespace"), name);
    return row && (await import("./metadata/image-row.ts")).imageOf(row);
  }

  /** `not_found` when there is none. */
  async container(namespace: string, id: string): Promise<ContainerRecord> {
    const { getContainer } = await import("./metadata/containers.ts");
    return this.#store.db.read((tx) => getContainer(tx, checkIdentifier(namespace, "namespace"), id));
  }

  async images(namespace: string): Promise<readonly Pick<Image, "name" | "target" | "labels">[]> {
    const columns = "name, media_type, digest, size, annotations, labels";
    const sql = `SELECT ${columns} FROM images WHERE namespace = ? ORDER BY name`;
    const rows = this.#all<TargetRow>(sql, checkIdentifier(namespace, "namespace"));
    const { summaryOf } = await import("./metadata/image-row.ts");
    return rows.map(summaryOf);
  }

  containers(namespace: string): readonly { readonly id: string; readonly image: string; readonly runtime: string }[] {
    return this.#all(
      "SELECT id, image, runtime FROM containers WHERE namespace = ? ORDER BY id",
      checkIdentifier(namespace, "namespace"),
    );
  }

  blobs(namespace: string): readonly Pick<ContentInfo, "digest" | "size" | "createdAt" | "labels">[] {
    type Row = Pick<ContentInfo, "digest" | "size"> & { readonly seconds: bigint; readonly nanos: bigint } & Labelled;
    // Rounded down, so that a time before 1970 keeps its nanoseconds positive.
    const sql = `SELECT digest, size, labels, (created_at - nanos) / ${NANOS_PER_SECOND} AS seconds, nanos
      FROM (SELECT *, (created_at % ${NANOS_PER_SECOND} + ${NANOS_PER_SECOND}) % ${NANOS_PER_SECOND} AS nanos FROM blobs WHERE namespace = ?) ORDER BY digest`;
    const blobs: Pick<ContentInfo, "digest" | "size" | "createdAt" | "labels">[] = [];
    for (const { digest, size, labels, seconds, nanos } of this.#all<Row>(
      sql,
      checkIdentifier(namespace, "namespace"),
    )) {
      const createdAt = { seconds, nanos: Number(nanos) };
      blobs.push({ digest, size, createdAt, labels: labelsFromColumn(labels) });
    }
    return blobs;
  }

  /** Manifests, indexes and configurations by digest; undefined when one has to be read by itself. */
  async documents(namespace: string, digests: readonly Digest[]) {
    return (await import("./content/documents.ts")).readDocuments(this.#store, namespace, digests);
  }

  /** Undefined for a snapshotter that is not the engine's own. */
  snapshots(namespace: string, snapshotter: string): readonly SnapshotSummary[] | undefined {
    if (!ownSnapshotters.some((own) => own === snapshotter)) return undefined;
    const sql = `SELECT s.kind, s.key AS name, ifnull(p.key, '') AS parent
      FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent
      WHERE s.namespace = ? AND s.snapshotter = ? ORDER BY s.key`;
    return this.#all<SnapshotSummary>(sql, checkIdentifier(namespace, "namespace"), snapshotter);
  }

  leases(namespace: string): readonly { readonly id: string; readonly labels: Labels; readonly createdAt: Time }[] {
    type Row = { readonly id: string; readonly created_at: bigint } & Labelled;
    const sql = "SELECT id, labels, created_at FROM leases WHERE namespace = ? ORDER BY id";
    return this.#all<Row>(sql, checkIdentifier(namespace, "namespace")).map(({ id, labels, created_at }) => ({
      id,
      labels: labelsFromColumn(labels),
      createdAt: timestampOf(created_at),
    }));
  }

  /** Undefined until somebody has asked the service for it, which makes it. */
  uuid(): string | undefined {
    return this.#all<{ readonly value: string }>("SELECT value FROM meta WHERE key = 'uuid'")[0]?.value;
  }

  #all<Row>(sql: string, ...values: readonly string[]): readonly Row[] {
    return this.#store.db.read((tx: ReadTx) => tx.all<Row>(sql, ...values));
  }
}

type Labelled = { readonly labels: string };
type SnapshotSummary = Pick<SnapshotInfo, "kind" | "name" | "parent">;
type Time = ReturnType<typeof timestampOf>;
