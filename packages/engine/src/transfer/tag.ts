import { getImage } from "../metadata/images.ts";
import type { TransferContext } from "./context.ts";
import type { StoreImages } from "./objects.ts";
import { recordImage } from "./records.ts";

/** Store to store: the same target under another name, with the labels given. */
export async function tag(context: TransferContext, from: StoreImages, to: StoreImages): Promise<void> {
  const { store, scope } = context;
  const { target } = store.db.read((tx) => getImage(tx, scope.namespace, from.name));
  recordImage(context, { name: to.name, target, labels: to.labels });
}
