import { ContainerdError } from "@ctr/api";
import type { Descriptor } from "./descriptor.ts";
import { parseIndex, parseManifest } from "./manifest.ts";
import { isIndexType, isManifestType } from "./media-type.ts";
import type { PlatformMatcher } from "./platform-match.ts";

/** Deepest nesting of indexes that is followed: an index may name itself only by a digest collision, but a chain may be long. */
const MAX_DEPTH = 32;

/** The children that `bytes`, described by `descriptor`, name. */
export function parseChildren(bytes: Uint8Array, descriptor: Descriptor): readonly Descriptor[] {
  if (isIndexType(descriptor.mediaType)) return parseIndex(bytes, descriptor).manifests;
  if (!isManifestType(descriptor.mediaType)) return [];
  const manifest = parseManifest(bytes, descriptor);
  return [manifest.config, ...manifest.layers];
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
