import {
  allPlatforms,
  type ChildLabel,
  defaultImportPrefix,
  defaultPlatforms,
  exportArchive,
  type Image,
  type ImportNaming,
  importArchive,
  type Labels,
} from "@ctr/oci";
import type { Client } from "./client.ts";
import { type UnpackSettings, unpackTo } from "./image-unpack.ts";
import type { PlatformSettings } from "./images.ts";
import { signalOf } from "./settings.ts";

export interface ArchiveImportSettings extends UnpackSettings {
  /** How what the archive holds is named; full names stay, a bare tag goes behind `import-<date>`. */
  readonly naming?: ImportNaming | undefined;
  /** A name for the archive's index as a whole. */
  readonly indexName?: string | undefined;
  /** Labels of the images. */
  readonly labels?: Labels | undefined;
  /** gzip layers that are plain tar. */
  readonly compress?: boolean | undefined;
  /** False leaves the layers packed. */
  readonly unpack?: boolean | undefined;
  readonly childLabel?: ChildLabel | undefined;
  /** Called before an image is unpacked. */
  readonly onImage?: ((image: Image) => void) | undefined;
}

export interface ArchiveExportSettings extends PlatformSettings {
  /** All manifests of an index; what is missing fails. */
  readonly allPlatforms?: boolean | undefined;
  /** No Docker `manifest.json`. */
  readonly skipDockerManifest?: boolean | undefined;
  readonly skipNonDistributable?: boolean | undefined;
}

/** Stores an archive and records its images, under one lease, for any containerd. */
export async function importImages(
  client: Client,
  archive: AsyncIterable<Uint8Array>,
  options: ArchiveImportSettings,
): Promise<readonly Image[]> {
  const signal = signalOf(options);
  await using lease = await client.leases.hold({ signal });
  const { content, images } = lease.client;
  const { naming = { prefix: defaultImportPrefix(new Date()) }, labels = {} } = options;
  const matcher = options.matcher ?? defaultPlatforms();
  const { indexName, compress, childLabel } = options;
  const imported = await importArchive(content, archive, {
    signal,
    naming,
    matcher,
    ...(indexName === undefined ? {} : { indexName }),
    ...(compress === undefined ? {} : { compress }),
    ...(childLabel === undefined ? {} : { childLabel }),
  });
  const records: Image[] = [];
  for (const { name, target } of imported.images) records.push(await images.put({ name, target, labels }, { signal }));
  if (options.unpack === false) return records;
  for (const image of records) {
    options.onImage?.(image);
    await unpackTo(lease.client, image.target, options);
  }
  return records;
}

/** The archive of some images, bytes as they are asked for. */
export async function* exportImages(
  client: Client,
  names: readonly string[],
  options: ArchiveExportSettings,
): AsyncIterable<Uint8Array> {
  const signal = signalOf(options);
  const { allPlatforms: all = false, skipDockerManifest = false, skipNonDistributable = false } = options;
  const images: Image[] = [];
  for (const name of names) images.push(await client.images.get(name, { signal }));
  const matcher = options.matcher ?? (all ? allPlatforms : defaultPlatforms());
  const archive = { signal, matcher, allPlatforms: all, skipDockerManifest, skipNonDistributable };
  yield* exportArchive(client.content, images, archive);
}
