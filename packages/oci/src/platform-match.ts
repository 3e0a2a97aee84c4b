import { hostPlatform, normalizePlatform, type Platform } from "./platform.ts";

/** Chooses platforms and says which of two fits better. */
export interface PlatformMatcher {
  matches(platform: Platform): boolean;
  /** Negative when `a` fits better, positive when `b` does, 0 for a tie. */
  compare(a: Platform, b: Platform): number;
}

/** Everything fits, nothing better than another. */
export const allPlatforms: PlatformMatcher = { matches: () => true, compare: () => 0 };

/** Nothing fits: of an image only what describes it is wanted. */
export const noPlatforms: PlatformMatcher = { matches: () => false, compare: () => 0 };

/** `platform` and what runs on it, best first: amd64 also runs 386 and lower levels, arm64 also arm. */
export function onlyPlatform(platform: Platform): PlatformMatcher {
  let known: PlatformMatcher | undefined;
  // Most images are for one platform, and nobody asks.
  const ordered = () => {
    known ??= orderedPlatforms(runnableOn(normalizePlatform(platform)));
    return known;
  };
  return { matches: (candidate) => ordered().matches(candidate), compare: (a, b) => ordered().compare(a, b) };
}

/** Exactly `platform`. */
export function onlyStrictPlatform(platform: Platform): PlatformMatcher {
  return orderedPlatforms([platform]);
}

/** What runs on this machine. */
export function defaultPlatforms(): PlatformMatcher {
  return onlyPlatform(hostPlatform());
}

/** The platforms given, the first fitting best. */
export function orderedPlatforms(platforms: readonly Platform[]): PlatformMatcher {
  const wanted = platforms.map(normalizePlatform);
  const rank = (platform: Platform) => {
    const at = wanted.findIndex((one) => fits(one, platform));
    return at < 0 ? wanted.length : at;
  };
  return {
    matches: (platform) => rank(platform) < wanted.length,
    compare: (a, b) => rank(a) - rank(b) || sharedFeatures(wanted[rank(a)], b) - sharedFeatures(wanted[rank(a)], a),
  };
}

/** Any of the platforms given, none better than another. */
export function anyPlatform(platforms: readonly Platform[]): PlatformMatcher {
  const wanted = platforms.map(normalizePlatform);
  const matches = (platform: Platform) => wanted.some((one) => fits(one, platform));
  return { matches, compare: (a, b) => Number(matches(b)) - Number(matches(a)) };
}

/** Same OS, architecture and variant; the version only counts on Windows; no feature that is not wanted. */
function fits(wanted: Platform, candidate: Platform): boolean {
  const other = normalizePlatform(candidate);
  if (wanted.os !== other.os || wanted.architecture !== other.architecture) return false;
  if ((wanted.variant ?? "") !== (other.variant ?? "")) return false;
  if (!(other.osFeatures ?? []).every((feature) => wanted.osFeatures?.includes(feature))) return false;
  return wanted.os !== "windows" || windowsVersionFits(wanted.osVersion ?? "", other.osVersion ?? "");
}

/** The build (third part of the version) decides; a side that names none takes any. */
function windowsVersionFits(wanted: string, candidate: string): boolean {
  if (wanted === "" || candidate === "") return true;
  const build = (version: string) => version.split(".", 3).join(".");
  return build(wanted) === build(candidate);
}

function sharedFeatures(wanted: Platform | undefined, candidate: Platform): number {
  return (candidate.osFeatures ?? []).filter((feature) => wanted?.osFeatures?.includes(feature)).length;
}

/** The platforms whose images run on `platform`, best first. */
function runnableOn(platform: Platform): readonly Platform[] {
  const { variant, ...base } = platform;
  switch (platform.architecture) {
    case "amd64":
      return [platform, ...lowerAmd64(base, variant), { ...base, architecture: "386" }];
    case "arm":
      return [platform, ...variantsDownTo(base, numberOf(variant, 7) - 1, 5)];
    case "arm64":
      return [platform, ...lowerArm64(base, variant), ...variantsDownTo({ ...base, architecture: "arm" }, 8, 5)];
    default:
      return [platform];
  }
}

function lowerAmd64(base: Platform, variant: string | undefined): readonly Platform[] {
  const level = numberOf(variant, 1);
  return [...variantsDownTo(base, level - 1, 2), ...(level > 1 ? [base] : [])];
}

/** An ARMv9.x runs every v9 below it and v8.(x+5) and below. */
function lowerArm64(base: Platform, variant: string | undefined): readonly Platform[] {
  const match = /^v([89])(?:\.(\d+))?$/.exec(variant ?? "v8");
  if (match === null) return [];
  const minor = Number(match[2] ?? 0);
  if (match[1] === "8") return arm64Minors(base, 8, minor - 1);
  return [...arm64Minors(base, 9, minor - 1), ...arm64Minors(base, 8, minor + 5)];
}

function arm64Minors(base: Platform, major: number, from: number): readonly Platform[] {
  const platforms: Platform[] = [];
  for (let minor = from; minor >= 0; minor--) {
    const variant = minor === 0 ? `v${major}` : `v${major}.${minor}`;
    platforms.push(normalizePlatform({ ...base, variant }));
  }
  return platforms;
}

function variantsDownTo(base: Platform, from: number, to: number): readonly Platform[] {
  const platforms: Platform[] = [];
  for (let level = from; level >= to; level--) platforms.push({ ...base, variant: `v${level}` });
  return platforms;
}

function numberOf(variant: string | undefined, otherwise: number): number {
  const match = /^v(\d+)$/.exec(variant ?? "");
  return match === null ? otherwise : Number(match[1]);
}
