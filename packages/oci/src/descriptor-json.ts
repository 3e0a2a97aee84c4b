import type { Descriptor } from "./descriptor.ts";
import { type GoJson, goMap } from "./go-json.ts";
import type { JsonReader } from "./json-reader.ts";
import type { Platform } from "./platform.ts";

/** Reads a descriptor of a manifest or an index. Throws `invalid_argument` naming the member at fault. */
export function readDescriptor(json: JsonReader): Descriptor {
  const urls = json.strings("urls");
  const annotations = json.stringMap("annotations");
  const platform = json.object("platform");
  const artifactType = json.string("artifactType");
  return {
    mediaType: json.string("mediaType"),
    digest: json.digest("digest"),
    size: json.size("size"),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform: readPlatform(platform) }),
    ...(urls.length === 0 ? {} : { urls }),
    ...(artifactType === "" ? {} : { artifactType }),
  };
}

/** Reads `os`, `architecture`, `variant`, `os.version` and `os.features`. */
export function readPlatform(json: JsonReader): Platform {
  const variant = json.string("variant");
  const osVersion = json.string("os.version");
  const osFeatures = json.strings("os.features");
  return {
    os: json.string("os"),
    architecture: json.string("architecture"),
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  };
}

/** A descriptor in the member order of image-spec's Go type. */
export function descriptorToGoJson(descriptor: Descriptor): GoJson {
  return {
    mediaType: descriptor.mediaType === "" ? undefined : descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    urls: descriptor.urls === undefined || descriptor.urls.length === 0 ? undefined : descriptor.urls,
    annotations: goMap(descriptor.annotations),
    platform: descriptor.platform === undefined ? undefined : platformToGoJson(descriptor.platform),
    artifactType: descriptor.artifactType,
  };
}

function platformToGoJson(platform: Platform): GoJson {
  return {
    architecture: platform.architecture,
    os: platform.os,
    "os.version": platform.osVersion,
    "os.features": platform.osFeatures,
    variant: platform.variant,
  };
}
