import { exportArchive, hostPlatform, onlyStrictPlatform } from "@ctr/oci";
import { EngineContent } from "../content/store.ts";
import { getImage } from "../metadata/images.ts";
import { sendBytes } from "./byte-stream.ts";
import type { TransferContext } from "./context.ts";
import type { ExportStream, StoreImages } from "./objects.ts";
import { matcherOf } from "./sides.ts";

/** Store to archive: the image of the store's name and of each further one. */
export async function exportImages(context: TransferContext, images: StoreImages, to: ExportStream): Promise<void> {
  const { store, scope, progress, signal } = context;
  const names = [images.name, ...images.extraReferences.map(({ name }) => name)].filter((name) => name !== "");
  const wanted = store.db.read((tx) => names.map((name) => getImage(tx, scope.namespace, name)));
  progress.whole("Exporting");
  const stream = context.stream(to.stream);
  const archive = exportArchive(new EngineContent(store, scope), wanted, {
    signal,
    matcher: to.platforms.length === 0 ? onlyStrictPlatform(hostPlatform()) : matcherOf(to.platforms),
    allPlatforms: to.allPlatforms,
    skipDockerManifest: to.skipCompatibilityManifest,
    skipNonDistributable: to.skipNonDistributable,
  });
  try {
    await sendBytes(stream, archive);
  } finally {
    // Also after a failure, of which the call tells: a client may read to the end before it asks for the call.
    stream.end();
  }
  progress.whole("Completed export");
}
