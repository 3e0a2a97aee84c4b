import { ContainerdError } from "@ctr/api";
import { type FetchImageOptions, fetchImage } from "@ctr/registry";
import { EngineContent } from "../content/store.ts";
import type { TransferContext } from "./context.ts";
import { describeObject, type Registry, type StoreImages } from "./objects.ts";
import { pullThroughPipeline } from "./pipeline.ts";
import { recordExtraNames, recordImage } from "./records.ts";
import { matcherOf, resolverOf, unpacksOf } from "./sides.ts";

/** Registry to store: fetched and unpacked at the same time, then recorded. */
export async function pull(context: TransferContext, registry: Registry, images: StoreImages): Promise<void> {
  const { store, scope, progress, signal } = context;
  const source = describeObject({ kind: "registry", registry });
  const { reference } = registry;
  const unpacks = unpacksOf(context, images);
  const resolver = resolverOf(context, registry);
  progress.whole(`Resolving from ${source}`);
  const name = images.name || reference;
  const onProgress: FetchImageOptions["onProgress"] = (event) => {
    if (event.kind === "resolved") {
      progress.whole(`Pulling from ${source}`);
      progress.image("fetching image content", name, event.descriptor);
    }
    progress.blob(name, "downloading", event);
  };
  const options = {
    signal,
    matcher: matcherOf(images.platforms),
    allMetadata: images.allMetadata,
    manifestLimit: images.manifestLimit,
    onProgress,
  };
  const target = { store, scope, resolver, reference };
  const { descriptor } =
    unpacks.length === 0
      ? await fetchImage({ ...target, content: new EngineContent(store, scope) }, options)
      : (
          await pullThroughPipeline(target, {
            ...options,
            unpacks: unpacks.map((each) => watched(context, name, each)),
          })
        ).resolved;
  if (name === "") throw new ContainerdError({ code: "invalid_argument", what: "the image has no name" });
  recordImage(context, { name, target: descriptor, labels: images.labels });
  recordExtraNames(context, { ...images, name }, descriptor);
  progress.whole(`Completed pull from ${source}`);
}

type Unpack = ReturnType<typeof unpacksOf>[number];

function watched({ progress }: TransferContext, root: string, unpack: Unpack): Unpack {
  return {
    ...unpack,
    onLayer: ({ kind, layer }) => {
      if (kind !== "exists") progress.layer(root, kind, layer);
    },
  };
}
