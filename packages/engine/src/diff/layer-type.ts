import { ContainerdError } from "@ctr/api";
import { layerCompression, mediaTypes } from "@ctr/oci";

const ociLayers: ReadonlySet<string> = new Set([
  mediaTypes.ociLayer,
  mediaTypes.ociLayer.replace(".layer.", ".layer.nondistributable."),
]);
const dockerLayers: ReadonlySet<string> = new Set([
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerGzip,
  mediaTypes.dockerLayerZstd,
  mediaTypes.dockerForeignLayer,
  mediaTypes.dockerForeignLayerGzip,
]);

/**
 * Whether a layer of this type may be compressed: then its first bytes tell how, whatever the suffix says. A plain OCI
 * layer is taken as it is. Throws containerd's `no processor for media-type` for what needs a stream processor, which
 * the engine has none of: encrypted layers, erofs. Engine reference, section 9.1.
 */
export function isCompressedLayer(mediaType: string): boolean {
  const [base = "", ...suffixes] = mediaType.split("+");
  if (dockerLayers.has(base) && suffixes.length === 0) return true;
  if (ociLayers.has(base) && suffixes.length === 0) return false;
  if (ociLayers.has(base) && ["gzip", "zstd"].includes(suffixes.at(-1) ?? "")) return true;
  throw new ContainerdError({
    code: "unknown",
    what: `failed to get stream processor for ${mediaType}`,
    why: "no processor for media-type",
  });
}

/** How `compare` compresses. `unimplemented` for a type it does not make; none given is OCI's with gzip. */
export function compareCompression(mediaType: string): "none" | "gzip" | "zstd" {
  const made: readonly string[] = [mediaTypes.ociLayer, mediaTypes.ociLayerGzip, mediaTypes.ociLayerZstd];
  if (mediaType === "") return "gzip";
  const compression = layerCompression(mediaType);
  if (made.includes(mediaType) && compression !== "unknown") return compression;
  throw new ContainerdError({ code: "unimplemented", what: `unsupported diff media type: ${mediaType}` });
}
