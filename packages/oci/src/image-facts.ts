import { checkDepth, limitManifests } from "./children.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Documents } from "./documents.ts";
import { isImageConfigType } from "./media-type.ts";
import type { Platform } from "./platform.ts";
import type { PlatformMatcher } from "./platform-match.ts";

/** A sum of bytes; `fault` is what cut it short. */
export interface ImageSize {
  readonly size: bigint;
  readonly fault: unknown;
}

/** Bytes of index, best manifest, its config and layers, as their descriptors give them; undefined while some are not read. */
export function sizeIn(documents: Documents, target: Descriptor, matcher: PlatformMatcher): ImageSize | undefined {
  let size = 0n;
  let whole = true;
  const visit = (descriptor: Descriptor, depth: number): void => {
    checkDepth(descriptor, depth);
    size += descriptor.size;
    const children = documents.childrenOf(descriptor);
    if (children === undefined) whole = false;
    else for (const child of limitManifests(descriptor, children, { matcher, limit: 1 })) visit(child, depth + 1);
  };
  let fault: unknown;
  try {
    visit(target, 0);
  } catch (error) {
    fault = error;
  }
  return whole ? { size, fault } : undefined;
}

/** The platforms an image names, by documents that are read; undefined while some are not. See `readPlatforms`. */
export function platformsIn(documents: Documents, target: Descriptor): readonly Platform[] | undefined {
  const platforms: Platform[] = [];
  let whole = true;
  const visit = (descriptor: Descriptor, depth: number): void => {
    checkDepth(descriptor, depth);
    const named = descriptor.platform ?? configPlatform(documents, descriptor);
    if (named !== undefined) platforms.push(named);
    if (descriptor.platform !== undefined) return;
    const children = documents.childrenOf(descriptor);
    if (children === undefined || (named === undefined && isImageConfigType(descriptor.mediaType))) whole = false;
    for (const child of children ?? []) visit(child, depth + 1);
  };
  try {
    visit(target, 0);
  } catch (fault) {
    // Something before it that is not read yet may be at fault first.
    if (whole) throw fault;
  }
  return whole ? platforms : undefined;
}

function configPlatform(documents: Documents, descriptor: Descriptor): Platform | undefined {
  return isImageConfigType(descriptor.mediaType) ? documents.platformOf(descriptor) : undefined;
}
