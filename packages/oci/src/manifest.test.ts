import { expect, test } from "bun:test";
import fc from "fast-check";
import { digestOf } from "./digest.ts";
import { checkMediaType, parseImageConfig, parseIndex, parseManifest } from "./manifest.ts";
import { mediaTypes } from "./media-type.ts";
import { descriptorOf } from "./testing/test-image.ts";

const encode = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const digest = digestOf(encode("x"));
const config = { mediaType: mediaTypes.ociConfig, digest, size: 1 };
const layer = { mediaType: mediaTypes.ociLayer, digest, size: 1 };
const manifest = { schemaVersion: 2, config, layers: [layer] };

test("parseManifest() keeps the bytes", () => {
  const bytes = encode(manifest);
  const parsed = parseManifest(bytes, descriptorOf(mediaTypes.ociManifest, bytes));
  expect(parsed.bytes).toBe(bytes);
  expect(parsed.layers).toEqual([{ ...layer, size: 1n }]);
});

test.each([
  [
    "a manifest that is also an index",
    mediaTypes.ociManifest,
    { ...manifest, manifests: [layer] },
    "expected manifest but found index",
  ],
  [
    "a manifest that calls itself an index",
    mediaTypes.ociManifest,
    { ...manifest, mediaType: mediaTypes.ociIndex },
    "expected manifest but found index",
  ],
  ["an index with a config", mediaTypes.ociIndex, { manifests: [], config }, "expected index but found manifest"],
  [
    "an index with layers",
    mediaTypes.dockerManifestList,
    { manifests: [], layers: [layer] },
    "expected index but found manifest",
  ],
  [
    "an index that calls itself a manifest",
    mediaTypes.ociIndex,
    { mediaType: mediaTypes.dockerManifest },
    "expected index but found manifest",
  ],
])("R6: checkMediaType() refuses %s", (_what, mediaType, value, message) => {
  const bytes = encode(value);
  expect(() => checkMediaType(bytes, descriptorOf(mediaType, bytes))).toThrow(message);
});

test.each([
  ["schema 1", mediaTypes.dockerManifest, { fsLayers: [] }, "schema 1 not supported"],
  ["no config", mediaTypes.ociManifest, { layers: [] }, "there is no config"],
  [
    "a negative size",
    mediaTypes.ociManifest,
    { ...manifest, config: { ...config, size: -1 } },
    "config.size is wrong: invalid size -1",
  ],
  [
    "a size beyond what JSON carries",
    mediaTypes.ociManifest,
    { ...manifest, config: { ...config, size: 2 ** 60 } },
    "config.size is wrong",
  ],
  ["a list", mediaTypes.ociManifest, [], "it is no JSON object"],
  ["text", mediaTypes.ociIndex, "<html>", "it is not JSON"],
  [
    "annotations that are numbers",
    mediaTypes.ociIndex,
    { manifests: [{ ...layer, annotations: { a: 1 } }] },
    "manifests[0].annotations.a is wrong",
  ],
])("checkMediaType() refuses %s", (_what, mediaType, value, message) => {
  const bytes = encode(value);
  expect(() => checkMediaType(bytes, descriptorOf(mediaType, bytes))).toThrow(message);
});

test.each([
  ["a layer", { ...manifest, layers: [{ ...layer, digest: "sha256:../../etc" }] }, "layers[0].digest is wrong"],
  ["a config", { ...manifest, config: { ...config, digest: "../../etc/passwd" } }, "config.digest is wrong"],
  ["a subject", { ...manifest, subject: { ...layer, digest: `sha256:${"A".repeat(64)}` } }, "subject.digest is wrong"],
])("R24: parseManifest() refuses a digest that is a path, in %s", (_what, value, message) => {
  const bytes = encode(value);
  expect(() => parseManifest(bytes, descriptorOf(mediaTypes.ociManifest, bytes))).toThrow(message);
});

test("R24: parseIndex() and parseImageConfig() refuse a digest that is a path", () => {
  const bytes = encode({ manifests: [{ ...layer, digest: "sha256:/../x" }] });
  expect(() => parseIndex(bytes, descriptorOf(mediaTypes.ociIndex, bytes))).toThrow("manifests[0].digest is wrong");
  const chain = encode({ rootfs: { type: "layers", diff_ids: ["sha256:../x"] } });
  expect(() => parseImageConfig(chain)).toThrow("diff_id is wrong");
});

test("parsers throw one class of error for any JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const bytes = encode(JSON.stringify(value));
      for (const parse of [parseManifest, parseIndex]) {
        try {
          parse(bytes, descriptorOf(mediaTypes.ociManifest, bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_argument" });
        }
      }
    }),
  );
});

test("parseImageConfig() reads what a container needs, absent members as empty", () => {
  const parsed = parseImageConfig(
    encode({
      os: "linux",
      architecture: "arm",
      config: { Env: ["A=b"], Volumes: { "/v": {} }, Cmd: null },
      rootfs: { type: "layers", diff_ids: [digest] },
    }),
  );
  expect(parsed.platform).toEqual({ os: "linux", architecture: "arm", variant: "v7" });
  expect(parsed.config).toMatchObject({ env: ["A=b"], volumes: ["/v"], cmd: [], user: "", labels: {} });
  expect(parsed.diffIDs).toEqual([digest]);
});
