import { ContainerdError, type platformTypes } from "@ctr/api";
import {
  allPlatforms,
  anyPlatform,
  hostPlatform,
  normalizePlatform,
  onlyPlatform,
  type Platform,
  type PlatformMatcher,
} from "@ctr/oci";
import { defaultHostsDirs, type HostSource, openHostSource, openResolver, type Resolver } from "@ctr/registry";
import { snapshotDrivers } from "../snapshots/drivers.ts";
import { checkSnapshotter } from "../snapshots/snapshotters.ts";
import type { TransferContext } from "./context.ts";
import { streamCredentials } from "./credentials.ts";
import { streamHttpTrace } from "./http-log.ts";
import type { Registry, StoreImages } from "./objects.ts";
import type { PipelineUnpack } from "./pipeline.ts";

/** A platform as a client sent it. */
export function platformFromWire(wire: platformTypes.Platform): Platform {
  const { os, architecture, variant, osVersion, osFeatures } = wire;
  return normalizePlatform({
    os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  });
}

/** Any of the platforms; none named means all. */
export function matcherOf(platforms: readonly platformTypes.Platform[]): PlatformMatcher {
  return platforms.length === 0 ? allPlatforms : anyPlatform(platforms.map(platformFromWire));
}

/**
 * Which unpackings a store asks for. One whose operating system is not ours is left out; that none is left is
 * `invalid_argument`. Engine reference, section 18.2, unpacks.
 */
export function unpacksOf({ store }: TransferContext, { unpacks }: StoreImages): readonly PipelineUnpack[] {
  const wanted = unpacks.flatMap(({ platform, snapshotter }) => {
    const own = platform === undefined ? hostPlatform() : platformFromWire(platform);
    if (own.os !== hostPlatform().os) return [];
    const name = snapshotter || (snapshotDrivers(store)[0]?.name ?? "");
    checkSnapshotter(store, name);
    return [{ snapshotter: name, matcher: onlyPlatform(own) }];
  });
  if (unpacks.length === 0 || wanted.length > 0) return wanted;
  throw new ContainerdError({ code: "invalid_argument", what: "no unpack platforms defined" });
}

/** The registry client that a registry's message describes: whom it asks is the client's to say, on its streams. */
export function resolverOf(context: TransferContext, { reference, resolver }: Registry): Resolver {
  const {
    authStream = "",
    headers = {},
    hostDir = "",
    defaultScheme = "",
    httpDebug = 0,
    logsStream = "",
  } = resolver ?? {};
  const trace = logsStream === "" ? undefined : streamHttpTrace(context.stream(logsStream), httpDebug);
  const hosts = openHostSource({
    hostsDir: hostDir,
    defaultDirs: defaultHostsDirs,
    plainHttp: defaultScheme === "http",
  });
  return openResolver({
    env: process.env,
    hosts: Object.keys(headers).length === 0 ? hosts : withHeaders(hosts, headers),
    ...(authStream === "" ? {} : { credentials: streamCredentials(context.stream(authStream), reference) }),
    ...(trace === undefined ? {} : { trace }),
  });
}

function withHeaders(hosts: HostSource, headers: Readonly<Record<string, string>>): HostSource {
  return async (referenceHost) =>
    (await hosts(referenceHost)).map((host) => ({ ...host, headers: { ...headers, ...host.headers } }));
}
