import { ContainerdError } from "@ctr/api";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { JsonReader, parseJsonObject } from "./json-reader.ts";
import { isIndexType, isManifestType } from "./media-type.ts";
import { normalizePlatform, type Platform } from "./platform.ts";
import { readDescriptor } from "./read-descriptor.ts";

/** An image manifest, beside the bytes its digest was taken of. Image-spec, manifest.md. */
export interface Manifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly subject: Descriptor | undefined;
}

/** An index or manifest list, beside its bytes. Image-spec, image-index.md. */
export interface Index {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a container of an image runs as, in image-spec's own words. Image-spec, config.md. */
export interface ImageRunConfig {
  readonly user: string;
  readonly exposedPorts: readonly string[];
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly volumes: readonly string[];
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string;
  readonly argsEscaped: boolean;
}

/** An image's configuration, beside its bytes. */
export interface ImageConfig {
  readonly bytes: Uint8Array;
  readonly platform: Platform;
  readonly config: ImageRunConfig;
  readonly rootfsType: string;
  /** Base first. */
  readonly diffIDs: readonly Digest[];
}

/** Reads an image manifest. Throws `invalid_argument` when the bytes are no manifest, or are an index (R6). */
export function parseManifest(bytes: Uint8Array, descriptor: Descriptor): Manifest {
  const json = openDocument(bytes, descriptor);
  if (json.list("manifests").length > 0 || isIndexType(json.string("mediaType"))) {
    throw confused(descriptor, "expected manifest but found index");
  }
  const config = json.object("config");
  if (config === undefined) throw confused(descriptor, "there is no config");
  const subject = json.object("subject");
  return {
    bytes,
    mediaType: json.string("mediaType"),
    config: readDescriptor(config),
    layers: json.objects("layers").map(readDescriptor),
    annotations: json.stringMap("annotations"),
    subject: subject === undefined ? undefined : readDescriptor(subject),
  };
}

/** Reads an index. Throws `invalid_argument` when the bytes are no index, or are a manifest (R6). */
export function parseIndex(bytes: Uint8Array, descriptor: Descriptor): Index {
  const json = openDocument(bytes, descriptor);
  if (json.has("config") || json.list("layers").length > 0 || isManifestType(json.string("mediaType"))) {
    throw confused(descriptor, "expected index but found manifest");
  }
  return {
    bytes,
    mediaType: json.string("mediaType"),
    manifests: json.objects("manifests").map(readDescriptor),
    annotations: json.stringMap("annotations"),
  };
}

/** Refuses bytes whose kind contradicts `descriptor.mediaType`; bytes of other types pass unread. */
export function checkMediaType(bytes: Uint8Array, descriptor: Descriptor): void {
  if (isManifestType(descriptor.mediaType)) parseManifest(bytes, descriptor);
  else if (isIndexType(descriptor.mediaType)) parseIndex(bytes, descriptor);
}

/** Reads an image's configuration. Throws `invalid_argument`. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const json = new JsonReader(parseJsonObject(bytes, "image config"), "");
  const rootfs = json.object("rootfs");
  return {
    bytes,
    platform: readConfigPlatform(json),
    config: readRunConfig(json.object("config") ?? new JsonReader({}, "config")),
    rootfsType: rootfs?.string("type") ?? "",
    diffIDs: rootfs === undefined ? [] : readDiffIDs(rootfs),
  };
}

function readDiffIDs(rootfs: JsonReader): readonly Digest[] {
  return rootfs.strings("diff_ids").map((text) => new JsonReader({ diff_id: text }, "rootfs").digest("diff_id"));
}

function readConfigPlatform(json: JsonReader): Platform {
  const variant = json.string("variant");
  const osVersion = json.string("os.version");
  const osFeatures = json.strings("os.features");
  return normalizePlatform({
    os: json.string("os"),
    architecture: json.string("architecture"),
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  });
}

function readRunConfig(json: JsonReader): ImageRunConfig {
  return {
    user: json.string("User"),
    exposedPorts: json.keys("ExposedPorts"),
    env: json.strings("Env"),
    entrypoint: json.strings("Entrypoint"),
    cmd: json.strings("Cmd"),
    volumes: json.keys("Volumes"),
    workingDir: json.string("WorkingDir"),
    labels: json.stringMap("Labels"),
    stopSignal: json.string("StopSignal"),
    argsEscaped: json.bool("ArgsEscaped"),
  };
}

function openDocument(bytes: Uint8Array, descriptor: Descriptor): JsonReader {
  const what = isIndexType(descriptor.mediaType) ? "index" : "manifest";
  const json = new JsonReader(parseJsonObject(bytes, `${what} ${descriptor.digest}`), "");
  if (json.has("fsLayers")) throw confused(descriptor, "schema 1 not supported");
  return json;
}

function confused(descriptor: Descriptor, why: string): ContainerdError {
  return new ContainerdError({
    code: "invalid_argument",
    what: `children: invalid desc ${descriptor.digest}`,
    why: `media-type: ${why} (${descriptor.mediaType})`,
  });
}
