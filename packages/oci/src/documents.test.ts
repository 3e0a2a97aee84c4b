import { expect, test } from "bun:test";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { Documents, type ReadDocument } from "./documents.ts";
import { platformsIn, sizeIn } from "./image-facts.ts";
import { mediaTypes } from "./media-type.ts";
import { formatPlatform, parsePlatform } from "./platform.ts";
import { onlyPlatform } from "./platform-match.ts";
import { buildImage, buildIndex } from "./testing/test-image.ts";

const { signal } = new AbortController();
const amd64 = parsePlatform("linux/amd64");
const matcher = onlyPlatform(amd64);
const images = ["a", "b", "c"].map((text) => buildImage([new TextEncoder().encode(text)], amd64));
const blobs = new Map(images.flatMap((image) => [...image.blobs]));

/** A manifest named without its platform, as an image's target names it. */
const bare = ({ manifest: { platform: _platform, ...manifest } }: { readonly manifest: Descriptor }) => manifest;

/** Documents over `stored`, and what is asked for, one list a time. */
function openDocuments(stored: ReadonlyMap<Digest, Uint8Array>) {
  const asked: (readonly Digest[])[] = [];
  const documents = new Documents(async (digests) => {
    asked.push(digests);
    const read = (digest: Digest): ReadDocument => stored.get(digest) ?? { fault: `no ${digest}` };
    return new Map(digests.map((digest) => [digest, read(digest)]));
  });
  return { documents, asked };
}

const platformsOf = (documents: Documents, target: Descriptor) => platformsIn(documents, target)?.map(formatPlatform);

test("Documents reads one level of all images at a time, and each document once", async () => {
  const { documents, asked } = openDocuments(blobs);
  const targets = [...images, ...images].map(bare);
  const found = await documents.settle(targets, (target) => platformsOf(documents, target), { signal });
  expect(found).toEqual(targets.map(() => ["linux/amd64"]));
  expect(asked).toEqual([images.map((image) => image.manifest.digest), images.map((image) => image.config.digest)]);
});

test("Documents.settle() reads nothing where nothing is asked for", async () => {
  const { documents, asked } = openDocuments(blobs);
  const layer: Descriptor = { ...bare(images[0] ?? buildImage([], amd64)), mediaType: mediaTypes.ociLayer };
  expect(await documents.settle([layer], (target) => sizeIn(documents, target, matcher), { signal })).toEqual([
    { size: layer.size, fault: undefined },
  ]);
  expect(await documents.settle([], () => ({}), { signal })).toEqual([]);
  expect(asked).toEqual([]);
});

test("a document is judged by the media type that each descriptor of it names", async () => {
  const { documents } = openDocuments(blobs);
  const [manifest] = images.map(bare);
  if (manifest === undefined) throw new Error("there is no image");
  const targets = [manifest, { ...manifest, mediaType: mediaTypes.ociIndex }, manifest];
  const sizes = await documents.settle(targets, (target) => sizeIn(documents, target, matcher), { signal });
  expect(sizes).toMatchObject([{ fault: undefined }, { fault: { code: "invalid_argument" } }, { fault: undefined }]);
});

test("platformsIn() fails with the first part in order that cannot be read, however deep the others are", async () => {
  const [first, second] = images;
  if (first === undefined || second === undefined) throw new Error("there are no images");
  const listed = buildIndex([first, second].map((image) => ({ ...image, manifest: bare(image) })));
  const stored = new Map(listed.blobs);
  stored.delete(first.config.digest);
  stored.delete(second.manifest.digest);
  const { documents } = openDocuments(stored);
  const work = (target: Descriptor) => platformsIn(documents, target);
  await expect(documents.settle([listed.index], work, { signal })).rejects.toBe(`no ${first.config.digest}`);
});
