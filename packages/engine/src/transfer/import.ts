import { importArchive, parseIndex, readBlob } from "@ctr/oci";
import { EngineContent } from "../content/store.ts";
import { receiveBytes } from "./byte-stream.ts";
import type { TransferContext } from "./context.ts";
import type { ImportStream, StoreImages } from "./objects.ts";
import { unpackStored } from "./pipeline.ts";
import { prefixedNames, recordExtraNames, recordImage } from "./records.ts";
import { matcherOf, unpacksOf } from "./sides.ts";

/** Archive to store: its index by the store's name, its manifests by the names that prefixes give them. */
export async function importImages(context: TransferContext, from: ImportStream, images: StoreImages): Promise<void> {
  const { store, scope, progress, signal } = context;
  const unpacks = unpacksOf(context, images);
  const content = new EngineContent(store, scope);
  progress.whole("Importing");
  const stream = context.stream(from.stream);
  const { index } = await importArchive(content, receiveBytes(stream), {
    signal,
    naming: { prefix: "" },
    matcher: matcherOf(images.platforms),
    compress: from.forceCompress,
  });
  const { manifests } = parseIndex(await readBlob(content, index.digest, { signal }), index);
  const named = [
    ...(images.name === "" ? [] : [{ name: images.name, target: index }]),
    ...manifests.flatMap((target) => prefixedNames(target, images.extraReferences).map((name) => ({ name, target }))),
  ];
  for (const { name, target } of named) recordImage(context, { name, target, labels: images.labels });
  if (images.name !== "") recordExtraNames(context, plainNamesOf(images), index);
  for (const target of new Map(named.map((each) => [each.target.digest, each.target])).values()) {
    const root = named.find((each) => each.target.digest === target.digest)?.name ?? "";
    for (const unpack of unpacks) {
      await unpackStored({ store, scope }, target, {
        ...unpack,
        signal,
        onLayer: ({ kind, layer }) => {
          if (kind !== "exists") progress.layer(root, kind, layer);
        },
      });
    }
  }
  progress.whole("Completed import");
}

/** Prefixes name manifests, not the index. */
function plainNamesOf(images: StoreImages): StoreImages {
  return { ...images, extraReferences: images.extraReferences.filter(({ isPrefix }) => !isPrefix) };
}
