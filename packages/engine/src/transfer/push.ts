import { pushImage } from "@ctr/registry";
import { EngineContent } from "../content/store.ts";
import { getImage } from "../metadata/images.ts";
import type { TransferContext } from "./context.ts";
import { describeObject, type Registry, type StoreImages } from "./objects.ts";
import { matcherOf, resolverOf } from "./sides.ts";

/** Store to registry. */
export async function push(context: TransferContext, images: StoreImages, registry: Registry): Promise<void> {
  const { store, scope, progress, signal } = context;
  const destination = describeObject({ kind: "registry", registry });
  const image = store.db.read((tx) => getImage(tx, scope.namespace, images.name));
  const resolver = resolverOf(context, registry);
  progress.whole(`Pushing to ${destination}`);
  progress.image("pushing content", image.name, image.target);
  await pushImage({ resolver, reference: registry.reference, content: new EngineContent(store, scope) }, image.target, {
    signal,
    ...(images.platforms.length === 0 ? {} : { matcher: matcherOf(images.platforms) }),
    onProgress: (event) => progress.blob(image.name, "uploading", event),
  });
  progress.image("pushed content", image.name, image.target);
  progress.whole(`Completed push to ${destination}`);
}
