import type { TransferProgress } from "@ctr/client";

/** One thing that a transfer works on, as last told of. */
export interface ProgressNode {
  readonly told: TransferProgress;
  readonly children: readonly ProgressNode[];
}

class Node implements ProgressNode {
  told: TransferProgress;
  readonly children: Node[] = [];

  constructor(told: TransferProgress) {
    this.told = told;
  }

  holds(other: Node): boolean {
    return this === other || this.children.some((child) => child.holds(other));
  }
}

/**
 * What a daemon told of a transfer, as a forest. A node hangs under the parents it named first, in order of arrival;
 * one whose parents are unknown is a root until it names one that is known.
 */
export class ProgressTree {
  readonly #nodes = new Map<string, Node>();
  #roots: readonly Node[] = [];
  #status = "";

  get roots(): readonly ProgressNode[] {
    return this.#roots;
  }

  /** The last event that was about the whole. */
  get status(): string {
    return this.#status;
  }

  /** Bytes over so far, of all nodes. */
  get transferred(): bigint {
    return [...this.#nodes.values()].reduce((sum, { told }) => sum + told.progress, 0n);
  }

  /** Takes one message; false when it changed no node. */
  take(told: TransferProgress): boolean {
    if (told.name === "") {
      this.#status = told.event;
      return false;
    }
    const known = this.#nodes.get(told.name);
    const node = known ?? new Node(told);
    node.told = told;
    this.#nodes.set(told.name, node);
    if (!known) this.#roots = [...this.#roots, node];
    if (this.#roots.includes(node)) this.#hang(node);
    return true;
  }

  #hang(node: Node): void {
    const parents = node.told.parents.flatMap((name) => this.#nodes.get(name) ?? []);
    // A daemon that sends a circle must not make us draw for ever.
    const above = [...new Set(parents)].filter((parent) => !node.holds(parent));
    for (const parent of above) parent.children.push(node);
    if (above.length > 0) this.#roots = this.#roots.filter((root) => root !== node);
  }
}
