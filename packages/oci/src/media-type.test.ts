import { expect, test } from "bun:test";
import {
  isEncryptedType,
  isIndexType,
  isLayerType,
  isManifestType,
  isNonDistributableType,
  layerCompression,
  mediaTypes,
} from "./media-type.ts";

const oci = "application/vnd.oci.image.layer";
const docker = "application/vnd.docker.image.rootfs";

test.each([
  [`${oci}.v1.tar`, true, false, "none"],
  [`${oci}.v1.tar+gzip`, true, false, "gzip"],
  [`${oci}.v1.tar+zstd`, true, false, "zstd"],
  [`${oci}.nondistributable.v1.tar+gzip`, true, true, "gzip"],
  [`${docker}.diff.tar`, true, false, "unknown"],
  [`${docker}.diff.tar.gzip`, true, false, "unknown"],
  [`${docker}.diff.tar.zstd`, true, false, "zstd"],
  [`${docker}.foreign.diff.tar.gzip`, true, true, "unknown"],
  ["application/vnd.erofs.layer.v1", true, false, "none"],
  [mediaTypes.ociConfig, false, false, "none"],
  ["", false, false, "none"],
])("%p: layer %p, non-distributable %p, compression %s", (type, layer, nonDistributable, compression) => {
  expect(isLayerType(type)).toBe(layer);
  expect(isNonDistributableType(type)).toBe(nonDistributable);
  expect(layerCompression(type)).toBe(compression as never);
});

test("isEncryptedType() sees ocicrypt's suffix", () => {
  expect(isEncryptedType(`${oci}.v1.tar+gzip+encrypted`)).toBe(true);
  expect(isEncryptedType(`${docker}.diff.tar.gzip+encrypted`)).toBe(true);
  expect(isEncryptedType(`${oci}.v1.tar+gzip`)).toBe(false);
});

test("indexes and manifests come in two formats each", () => {
  expect(Object.values(mediaTypes).filter(isIndexType)).toEqual([mediaTypes.ociIndex, mediaTypes.dockerManifestList]);
  expect(Object.values(mediaTypes).filter(isManifestType)).toEqual([mediaTypes.ociManifest, mediaTypes.dockerManifest]);
});
