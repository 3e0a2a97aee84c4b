import { readBlob } from "./blob.ts";
import { checkDepth, parseChildren } from "./children.ts";
import type { Cancel, ContentProvider } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import { isIndexType, isManifestType } from "./media-type.ts";

/** What a descriptor leads to, in order. */
export type ChildrenOf = (descriptor: Descriptor) => Promise<readonly Descriptor[]>;

/** The children a blob in the store names: config before layers, manifests in order; none for other types. */
export async function readChildren(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: Cancel,
): Promise<readonly Descriptor[]> {
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return [];
  return parseChildren(await readBlob(provider, descriptor.digest, options), descriptor);
}

/** Visits a graph depth first, one at a time; `visit` answers with the children to go on to. */
export async function walkGraph(root: Descriptor, visit: ChildrenOf): Promise<void> {
  await walkAt(root, visit, 0);
}

async function walkAt(descriptor: Descriptor, visit: ChildrenOf, depth: number): Promise<void> {
  checkDepth(descriptor, depth);
  for (const child of await visit(descriptor)) await walkAt(child, visit, depth + 1);
}

/**
 * Visits a graph, siblings at the same time, at most `limit` visits running (0: any number). The first failure stops
 * new visits and is thrown when the running ones have ended; give `visit` a signal of its own to end them sooner.
 */
export async function dispatchGraph(root: Descriptor, visit: ChildrenOf, limit: number): Promise<void> {
  const slots = new Slots(limit === 0 ? Number.POSITIVE_INFINITY : limit);
  let failed = false;
  const visitUnlessFailed: ChildrenOf = async (descriptor) => {
    if (failed) return [];
    try {
      return await visit(descriptor);
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const at = async (descriptor: Descriptor, depth: number): Promise<void> => {
    checkDepth(descriptor, depth);
    const children = await slots.run(() => visitUnlessFailed(descriptor));
    const results = await Promise.allSettled(children.map((child) => at(child, depth + 1)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };
  await at(root, 0);
}

/** Runs `task` on every item, at most `limit` at once (0: any number); throws the first failure when all have ended. */
export async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const slots = new Slots(limit === 0 ? Number.POSITIVE_INFINITY : limit);
  const results = await Promise.allSettled(items.map((item) => slots.run(() => task(item))));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** At most `limit` tasks at once; the rest wait in order. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
