/** Media types of image-spec and of Docker's registry format, as containerd knows them. */
export const mediaTypes = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  ociEmpty: "application/vnd.oci.empty.v1+json",
  ociDescriptor: "application/vnd.oci.descriptor.v1+json",
  dockerManifestList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  dockerForeignLayer: "application/vnd.docker.image.rootfs.foreign.diff.tar",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  erofsLayer: "application/vnd.erofs.layer.v1",
  inToto: "application/vnd.in-toto+json",
  checkpointConfig: "application/vnd.containerd.container.checkpoint.config.v1+proto",
  checkpointCriu: "application/vnd.containerd.container.criu.checkpoint.criu.tar",
  checkpointRw: "application/vnd.containerd.container.checkpoint.rw.tar",
  checkpointOptions: "application/vnd.containerd.container.checkpoint.options.v1+proto",
  checkpointRuntimeName: "application/vnd.containerd.container.checkpoint.runtime.name",
  checkpointRuntimeOptions: "application/vnd.containerd.container.checkpoint.runtime.options+proto",
} as const;

const dockerLayers: ReadonlySet<string> = new Set([
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerGzip,
  mediaTypes.dockerLayerZstd,
  mediaTypes.dockerForeignLayer,
  mediaTypes.dockerForeignLayerGzip,
]);

/** An OCI index or a Docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerManifestList;
}

/** An image manifest of either format. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
}

/** A Docker schema 1 manifest, which containerd refuses since 2.1. */
export function isSchema1Type(mediaType: string): boolean {
  return mediaType === mediaTypes.dockerSchema1 || mediaType === mediaTypes.dockerSchema1Signed;
}

/** The configuration of an image, of either format. */
export function isImageConfigType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig;
}

/** An image's or a checkpoint's configuration. */
export function isConfigType(mediaType: string): boolean {
  return isImageConfigType(mediaType) || mediaType === mediaTypes.checkpointConfig;
}

/** A layer of any format and compression; what follows a `+` does not count for Docker's names. */
export function isLayerType(mediaType: string): boolean {
  if (mediaType.startsWith("application/vnd.oci.image.layer.")) return true;
  const base = mediaType.split("+", 1)[0] ?? "";
  return dockerLayers.has(base) || base === mediaTypes.erofsLayer;
}

/** A layer that its licence keeps off other registries. */
export function isNonDistributableType(mediaType: string): boolean {
  return (
    mediaType.startsWith("application/vnd.oci.image.layer.nondistributable.") ||
    mediaType.startsWith("application/vnd.docker.image.rootfs.foreign.")
  );
}

/** A layer that needs a key before it can be unpacked. */
export function isEncryptedType(mediaType: string): boolean {
  return isLayerType(mediaType) && mediaType.split("+").slice(1).includes("encrypted");
}

export type LayerCompression = "none" | "gzip" | "zstd" | "unknown";

/**
 * What the name says about a layer's compression. Docker's names say nothing certain (engines write raw and gzip under
 * either), so they answer `unknown`: look at the bytes.
 */
export function layerCompression(mediaType: string): LayerCompression {
  const [base = "", ...suffixes] = mediaType.split("+");
  if (dockerLayers.has(base)) return base.endsWith(".zstd") ? "zstd" : "unknown";
  if (suffixes.includes("zstd")) return "zstd";
  if (suffixes.includes("gzip")) return "gzip";
  return "none";
}
