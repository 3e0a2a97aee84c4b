import type { Descriptor } from "./descriptor.ts";
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
