import { mediaTypes } from "../media-type.ts";

const toOci: Readonly<Record<string, string>> = {
  [mediaTypes.dockerManifestList]: mediaTypes.ociIndex,
  [mediaTypes.dockerManifest]: mediaTypes.ociManifest,
  [mediaTypes.dockerConfig]: mediaTypes.ociConfig,
  [mediaTypes.dockerLayer]: mediaTypes.ociLayer,
  [mediaTypes.dockerLayerGzip]: mediaTypes.ociLayerGzip,
  [mediaTypes.dockerLayerZstd]: mediaTypes.ociLayerZstd,
  [mediaTypes.dockerForeignLayer]: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  [mediaTypes.dockerForeignLayerGzip]: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
};

/** The OCI name of one of Docker's media types; any other stays. */
export function ociMediaType(mediaType: string): string {
  return toOci[mediaType] ?? mediaType;
}

export function isDockerType(mediaType: string): boolean {
  return mediaType.startsWith("application/vnd.docker.");
}

/** The name of a layer once it is a plain tar. */
export function plainMediaType(mediaType: string): string {
  return mediaType.replace(/[.+](?:gzip|zstd)$/, "");
}

/** Whether the name says that the layer is a plain tar. */
export function isPlainType(mediaType: string): boolean {
  return plainMediaType(mediaType) === mediaType;
}
