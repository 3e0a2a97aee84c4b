export { decompress, detectCompression } from "./archive/compression.ts";
export { type ExportImage, type ExportOptions, exportArchive } from "./archive/export.ts";
export { type Imported, type ImportedImage, type ImportOptions, importArchive, importIndex } from "./archive/import.ts";
export {
  defaultImportPrefix,
  IMAGE_NAME_ANNOTATION,
  type ImportNaming,
  importNames,
  REF_NAME_ANNOTATION,
  refNameOf,
} from "./archive/names.ts";
export { readTar, type TarEntry, type TarKind, type TarMetadata } from "./archive/tar-reader.ts";
export { type TarMember, writeTar } from "./archive/tar-writer.ts";
export * from "./blob.ts";
export * from "./chain-id.ts";
export * from "./children.ts";
export * from "./content.ts";
export { type ConvertLayer, type ConvertOptions, convertImage } from "./convert/convert-image.ts";
export { uncompressLayer } from "./convert/uncompress.ts";
export * from "./descriptor.ts";
export { descriptorToGoJson } from "./descriptor-json.ts";
export * from "./digest.ts";
export * from "./docker-reference.ts";
export { type DocumentReader, Documents, type ReadDocument } from "./documents.ts";
export * from "./gc-labels.ts";
export * from "./go-json.ts";
export * from "./graph.ts";
export * from "./image.ts";
export * from "./image-facts.ts";
export * from "./image-graph.ts";
export { isJsonObject, type JsonObject, JsonReader, parseJsonObject } from "./json-reader.ts";
export * from "./manifest.ts";
export * from "./media-type.ts";
export * from "./platform.ts";
export * from "./platform-match.ts";
export * from "./reference.ts";
export type {
  ApplyOptions,
  CompareOptions,
  Differ,
  Mount,
  SnapshotInfo,
  SnapshotKind,
  SnapshotOptions,
  Snapshotter,
  SnapshotUsage,
} from "./snapshot.ts";
export * from "./spec/index.ts";
export * from "./unpack.ts";
