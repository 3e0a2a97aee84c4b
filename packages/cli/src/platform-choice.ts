import { allPlatforms, anyPlatform, hostPlatform, type Platform, type PlatformMatcher, parsePlatform } from "@ctr/oci";
import { fail } from "./errors.ts";

export interface PlatformFlags {
  readonly platform: readonly string[];
  readonly allPlatforms: boolean;
}

export interface PlatformChoice {
  readonly matcher: PlatformMatcher;
  /** Those named, or the host's; undefined for all there are. */
  readonly platforms: readonly Platform[] | undefined;
}

/** Which platforms `--platform` and `--all-platforms` mean. */
export function choosePlatforms({ platform, allPlatforms: all }: PlatformFlags): PlatformChoice {
  if (all && platform.length > 0) throw fail("cannot specify both --platform and --all-platforms");
  if (all) return { matcher: allPlatforms, platforms: undefined };
  const platforms = platform.length === 0 ? [hostPlatform()] : platform.map(parsePlatform);
  return { matcher: anyPlatform(platforms), platforms };
}
