import type { Descriptor } from "./descriptor.ts";
import { type GoJson, goMap } from "./go-json.ts";
import type { Platform } from "./platform.ts";

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
