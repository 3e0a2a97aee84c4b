import type { Labels } from "@ctr/oci";
import { hasRootLabel, labelReferences, nodeKey, usedAtOf } from "./label-reference.ts";

/** Something that a record keeps, and what says so: `target`, `parent`, or the key of a label. */
export interface Edge {
  readonly to: string;
  readonly why: string;
}

/** A record, as the collector sees it. */
export interface GraphNode {
  /** `content`, `images`, `ingests`, `snapshots/<snapshotter>`, `containers`, `sandboxes`, `mounts` or `leases`. */
  readonly type: string;
  readonly id: string;
  /** Followed however the node was reached. */
  readonly own: readonly Edge[];
  /** Followed unless the node was reached through a flat lease. */
  readonly labelled: readonly Edge[];
}

/** Where marking begins. */
export interface Root {
  readonly key: string;
  readonly why: string;
  readonly flat: boolean;
}

/** The records of one namespace: references do not leave it. Keys are those of `nodeKey`. */
export interface Graph {
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly roots: readonly Root[];
}

interface Draft extends GraphNode {
  readonly own: Edge[];
  readonly labelled: Edge[];
}

/** Puts a graph together, record by record, in any order. */
export class GraphBuilder {
  readonly #nodes = new Map<string, Draft>();
  readonly #roots: Root[] = [];
  readonly #usedAt = new Map<string, bigint>();
  /** References that hang on another record, drawn when all are there. */
  readonly #late: (() => void)[] = [];
  readonly #now: bigint;

  constructor(now: bigint) {
    this.#now = now;
  }

  /** Adds a record with what its labels say. */
  add(type: string, id: string, labels: Labels, own: readonly Edge[] = []): string {
    const key = nodeKey(type, id);
    const node: Draft = { type, id, own: [...own], labelled: [] };
    this.#nodes.set(key, node);
    for (const reference of labelReferences(labels)) {
      const back = { to: key, why: reference.label };
      if (reference.kind === "forward") node.labelled.push({ to: reference.node, why: reference.label });
      else if (reference.kind === "back") this.#late.push(() => this.#nodes.get(reference.node)?.labelled.push(back));
      else if (type === "content" || type === "images") {
        this.#late.push(() => {
          const usedAt = this.#usedAt.get(reference.node);
          if (usedAt === undefined || !reference.holds(usedAt, this.#now)) return;
          this.#nodes.get(reference.node)?.labelled.push(back);
        });
      }
    }
    if (type === "content" || type.startsWith("snapshots/")) this.#readValues(key, labels);
    return key;
  }

  root(key: string, why: string, flat = false): void {
    this.#roots.push({ key, why, flat });
  }

  build(): Graph {
    for (const draw of this.#late) draw();
    return { nodes: this.#nodes, roots: this.#roots };
  }

  #readValues(key: string, labels: Labels): void {
    if (hasRootLabel(labels)) this.root(key, "label containerd.io/gc.root");
    const usedAt = usedAtOf(labels);
    if (usedAt !== undefined) this.#usedAt.set(key, usedAt);
  }
}
