import { ContainerdError } from "@ctr/api";
import { readBlob } from "./blob.ts";
import type { Cancel, ContentProvider } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";
import { parseIndex, parseManifest } from "./manifest.ts";
import { isIndexType, isManifestType } from "./media-type.ts";
import type { PlatformMatcher } from "./platform-match.ts";

/** What a descriptor leads to, in order. */
export type ChildrenOf = (descriptor: Descriptor) => Promise<readonly Descriptor[]>;

/** Deepest nesting of indexes that is followed: an index may name itself only by a digest collision, but a chain may be long. */
const MAX_DEPTH = 32;

/** The children a blob in the store names: config before layers, manifests in order; none for other types. */
export async function readChildren(
  provider: ContentProvider,
  descriptor: Descriptor,
  options: Cancel,
): Promise<readonly Descriptor[]> {
  if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return [];
  return parseChildren(await readBlob(provider, descriptor.digest, options), descriptor);
}

/** The children that `bytes`, described by `descriptor`, name. */
export function parseChildren(bytes: Uint8Array, descriptor: Descriptor): readonly Descriptor[] {
  if (isIndexType(descriptor.mediaType)) return parseIndex(bytes, descriptor).manifests;
  if (!isManifestType(descriptor.mediaType)) return [];
  const manifest = parseManifest(bytes, descriptor);
  return [manifest.config, ...manifest.layers];
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

/** Throws `invalid_argument` where indexes are nested too deep. */
export function checkDepth(descriptor: Descriptor, depth: number): void {
  if (depth <= MAX_DEPTH) return;
  throw new ContainerdError({
    code: "invalid_argument",
    what: "cannot walk image",
    where: { digest: descriptor.digest },
    why: `indexes are nested more than ${MAX_DEPTH} deep`,
  });
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

/** Children that name no platform, or one that matches. */
export function filterPlatforms(children: readonly Descriptor[], matcher: PlatformMatcher): readonly Descriptor[] {
  return children.filter((child) => child.platform === undefined || matcher.matches(child.platform));
}

/** An index's children best first, those without a platform last; ties keep their order. */
export function sortByPlatform(children: readonly Descriptor[], matcher: PlatformMatcher): readonly Descriptor[] {
  return children.toSorted((a, b) => {
    if (a.platform === undefined || b.platform === undefined) {
      return Number(a.platform === undefined) - Number(b.platform === undefined);
    }
    return matcher.compare(a.platform, b.platform);
  });
}

/**
 * Of an index's children the `limit` best, best first (0: all of them). Throws `not_found` when a limit is set and
 * nothing fits. Children of anything but an index pass as they are.
 */
export function limitManifests(
  parent: Descriptor,
  children: readonly Descriptor[],
  choice: { readonly matcher: PlatformMatcher; readonly limit: number },
): readonly Descriptor[] {
  if (!isIndexType(parent.mediaType)) return children;
  const sorted = sortByPlatform(filterPlatforms(children, choice.matcher), choice.matcher);
  if (choice.limit === 0) return sorted;
  if (sorted.length === 0) throw noMatch(parent);
  return sorted.slice(0, choice.limit);
}

/** The error for an index without a manifest for the platform asked for. */
export function noMatch(index: Descriptor): ContainerdError {
  return new ContainerdError({
    code: "not_found",
    what: `no match for platform in manifest ${index.digest}`,
    why: "not found",
    fix: "--platform names another platform, --all-platforms takes them all",
  });
}
