import { ContainerdError, hasCode } from "@ctr/api";
import type { Client } from "@ctr/client";
import {
  allPlatforms,
  type Cancel,
  chainIDOf,
  type Descriptor,
  formatPlatform,
  isIndexType,
  isPresent,
  isUnpacked,
  type Manifest,
  type PlatformMatcher,
  parseImageConfig,
  parseIndex,
  parseManifest,
  readBlob,
} from "@ctr/oci";
import { defaultSnapshotter } from "./default-snapshotter.ts";

/** What a command wanted of which images. */
export interface WantedContent extends Cancel {
  readonly images: readonly string[];
  /** Which manifests of an index; all unless it says. */
  readonly matcher?: PlatformMatcher | undefined;
}

/**
 * The same error, and where it is that content is missing, why that is and how to get it: each of the three causes has
 * its own remedy. The image is looked at only now that something failed.
 */
export async function explainMissing(client: Client, error: unknown, wanted: WantedContent): Promise<unknown> {
  if (!(error instanceof ContainerdError) || error.fix !== undefined || !isMissing(error)) return error;
  for (const name of wanted.images) {
    const fix = await causeOf(client, name, wanted).catch(() => undefined);
    if (fix !== undefined) return withFix(error, fix);
  }
  return error;
}

/** Likewise for an archive, which alone can lack what it names. */
export function explainArchive(error: unknown, asked: { readonly allPlatforms: boolean; readonly platform: string }) {
  if (!(error instanceof ContainerdError) || error.fix !== undefined || !isMissing(error)) return error;
  if (asked.allPlatforms) {
    const fix =
      "the archive does not hold every platform that its index names: leave out --all-platforms, or choose one with --platform";
    return withFix(error, fix);
  }
  const what = asked.platform === "" ? "a part of the image" : asked.platform;
  return withFix(error, `the archive does not hold ${what}: make it anew where the image is complete`);
}

/** The one or what led to it: a registry's client words its errors without class. */
function isMissing(error: unknown): boolean {
  return hasCode(error, "not_found") || (error instanceof Error && error.cause !== undefined && isMissing(error.cause));
}

function withFix({ code, message, cause }: ContainerdError, fix: string): ContainerdError {
  return new ContainerdError({ code, what: message, fix, cause });
}

/** How much of a manifest is in the store. */
type Presence =
  | { readonly kind: "whole" }
  /** Nothing but its metadata, if that: this platform was never fetched. */
  | { readonly kind: "elsewhere" }
  /** Unpacked, so its layers were there once. */
  | { readonly kind: "discarded" }
  | { readonly kind: "partial"; readonly missing: readonly Descriptor[]; readonly parts: number };

async function causeOf(client: Client, name: string, wanted: WantedContent): Promise<string | undefined> {
  const { target } = await client.images.get(name, wanted);
  const all = await manifestsOf(client, target, wanted);
  const found = await Promise.all(
    all.map(async (each) => ({ each, presence: await presenceOf(client, each, wanted) })),
  );
  const { matcher = allPlatforms } = wanted;
  const asked = found.filter(({ each }) => each.platform === undefined || matcher.matches(each.platform));
  const discarded = asked.find(({ presence }) => presence.kind === "discarded");
  if (discarded) {
    return `the layers of ${name} were discarded once unpacked (discard_unpacked_layers): fetch them again with: ctr content fetch ${name}`;
  }
  for (const { presence } of asked) {
    if (presence.kind !== "partial") continue;
    const { missing, parts } = presence;
    return `${missing.length} of ${parts} parts of ${name} are missing (ctr images check name==${name}): fetch them with: ctr content fetch ${name}`;
  }
  const absent = namesOf(asked.filter(({ presence }) => presence.kind === "elsewhere").map(({ each }) => each));
  if (absent.length === 0) return undefined;
  const here = namesOf(found.filter(({ presence }) => presence.kind === "whole").map(({ each }) => each));
  return elsewhere(name, absent, here);
}

function elsewhere(name: string, absent: readonly string[], here: readonly string[]): string {
  const [only] = here;
  const shown = `${name} is not here for ${absent.join(", ")}`;
  if (only === undefined) return `${shown}: fetch it with: ctr content fetch --platform ${absent[0]} ${name}`;
  return `${shown}, only for ${here.join(", ")}: take that with --platform ${only}, or fetch the rest with: ctr content fetch --all-platforms ${name}`;
}

function namesOf(manifests: readonly Descriptor[]): readonly string[] {
  return manifests.map(({ platform, digest }) => (platform === undefined ? digest : formatPlatform(platform)));
}

async function manifestsOf(client: Client, target: Descriptor, options: Cancel): Promise<readonly Descriptor[]> {
  if (!isIndexType(target.mediaType)) return [target];
  return parseIndex(await readBlob(client.content, target.digest, options), target).manifests;
}

async function presenceOf(client: Client, descriptor: Descriptor, options: Cancel): Promise<Presence> {
  if (!(await isPresent(client.content, descriptor.digest, options))) return { kind: "elsewhere" };
  const manifest = parseManifest(await readBlob(client.content, descriptor.digest, options), descriptor);
  const parts = [manifest.config, ...manifest.layers];
  const here = await Promise.all(parts.map(({ digest }) => isPresent(client.content, digest, options)));
  const missing = parts.filter((_, at) => here[at] === false);
  if (missing.length === 0) return { kind: "whole" };
  if (here[0] === true && (await isChainUnpacked(client, manifest, options))) return { kind: "discarded" };
  const layersHere = here.slice(1).filter(Boolean).length;
  return layersHere === 0 ? { kind: "elsewhere" } : { kind: "partial", missing, parts: parts.length };
}

async function isChainUnpacked(client: Client, { config }: Manifest, options: Cancel): Promise<boolean> {
  const { diffIDs } = parseImageConfig(await readBlob(client.content, config.digest, options));
  if (diffIDs.length === 0) return false;
  const snapshotter = await defaultSnapshotter(client, "", options.signal);
  return await isUnpacked(client.snapshots(snapshotter), chainIDOf(diffIDs), options);
}
