import { ContainerdError, hasCode, type imagesV1, services } from "@ctr/api";
import type {
  Descriptor,
  Image,
  ImageCheck,
  ImageConfig,
  ImageStore,
  Labels,
  Platform,
  PlatformMatcher,
} from "@ctr/oci";
import type { Client } from "./client.ts";
import type { ArchiveExportSettings, ArchiveImportSettings } from "./image-archive.ts";
import type { FetchSettings, Pulled, PullOptions } from "./image-pull.ts";
import type { PushSettings } from "./image-push.ts";
import type { UnpackedImage, UnpackSettings } from "./image-unpack.ts";
import type { CallSettings } from "./settings.ts";
import { imageSummaries } from "./summary-wire.ts";
import { descriptorFromWire, descriptorToWire, timestampFromWire } from "./wire.ts";

export interface NewImage {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels?: Labels;
}

/** What a list shows of an image. */
export type ImageSummary = Pick<Image, "name" | "target" | "labels">;

export interface ImageUpdate {
  readonly name: string;
  readonly target?: Descriptor;
  readonly labels?: Labels;
}

export interface DeleteImageSettings extends CallSettings {
  /** Wait until what only this name kept is collected. */
  readonly sync?: boolean | undefined;
}

export interface PlatformSettings extends CallSettings {
  /** Which manifest of an index is meant; the one for this machine when left out. */
  readonly matcher?: PlatformMatcher | undefined;
}

export interface SnapshotterSettings extends PlatformSettings {
  /** `overlayfs` when left out. */
  readonly snapshotter?: string | undefined;
}

/** Images of a namespace: the records, and what is done with whole images. Engine reference: Images service. */
export class Images implements ImageStore {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async get(name: string, settings: CallSettings = {}): Promise<Image> {
    return imageFromWire((await (await this.#service).get({ name }, this.#client.callOptions(settings))).image);
  }

  /** Filter fields are `name`, `target.digest`, `target.mediatype` and `labels.*`. */
  async list(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly Image[]> {
    const { images } = await (await this.#service).list({ filters }, this.#client.callOptions(settings));
    return images.map(imageFromWire);
  }

  /** The same list for who only shows it: cheap, however many there are. */
  async summaries(filters: readonly string[] = [], settings: CallSettings = {}): Promise<readonly ImageSummary[]> {
    const options = this.#client.callOptions(settings);
    const { images } = await (await this.#client.service(imageSummaries)).list({ filters }, options);
    return images.map(({ name, target, labels }) => ({ name, target: targetFromWire(target), labels }));
  }

  async create(image: NewImage, settings: CallSettings = {}): Promise<Image> {
    const request = { image: { ...image, target: descriptorToWire(image.target) } };
    return imageFromWire((await (await this.#service).create(request, this.#client.callOptions(settings))).image);
  }

  /** Replaces what `paths` name (`target`, `labels`, `labels.<key>`); without paths, all but the time of creation. */
  async update(image: ImageUpdate, paths: readonly string[], settings: CallSettings = {}): Promise<Image> {
    // A daemon of today dies of an update without a target; an empty one is ignored under a mask.
    const target = image.target === undefined ? {} : descriptorToWire(image.target);
    const request = { image: { ...image, target }, updateMask: [...paths] };
    return imageFromWire((await (await this.#service).update(request, this.#client.callOptions(settings))).image);
  }

  /** Creates the record, or points the one there is to the new target and labels. */
  async put(image: NewImage, settings: CallSettings = {}): Promise<Image> {
    for (;;) {
      try {
        return await this.create(image, settings);
      } catch (error) {
        if (!hasCode(error, "already_exists")) throw error;
      }
      try {
        return await this.update(image, [], settings);
      } catch (error) {
        // Deleted in between, so it can be created.
        if (!hasCode(error, "not_found")) throw error;
      }
    }
  }

  /** Sets labels; an empty value deletes. Labels not named stay. */
  async setLabels(name: string, labels: Labels, settings: CallSettings = {}): Promise<Image> {
    const paths = Object.keys(labels).map((key) => `labels.${key}`);
    return paths.length === 0 ? this.get(name, settings) : this.update({ name, labels }, paths, settings);
  }

  async delete(name: string, settings: DeleteImageSettings = {}): Promise<void> {
    await (await this.#service).delete({ name, sync: settings.sync ?? false }, this.#client.callOptions(settings));
  }

  /** Fetches an image from its registry, unpacks it and records it, all under one lease. */
  async pull(reference: string, options: PullOptions = {}): Promise<Pulled> {
    const { pullImage } = await import("./image-pull.ts");
    return pullImage(this.#client, reference, options);
  }

  /** Fetches what a reference names, without making an image of it. The caller holds a lease, which alone keeps it. */
  async fetch(reference: string, options: FetchSettings = {}): Promise<Descriptor> {
    const { fetchOnly } = await import("./image-pull.ts");
    return fetchOnly(this.#client, reference, options);
  }

  /** Sends an image to a registry. */
  async push(reference: string, options: PushSettings = {}): Promise<void> {
    const { pushImageTo } = await import("./image-push.ts");
    return pushImageTo(this.#client, reference, options);
  }

  /** Makes the snapshots that a container of the image starts from. */
  async unpack(image: string | Descriptor, options: UnpackSettings = {}): Promise<UnpackedImage> {
    const { unpackTo } = await import("./image-unpack.ts");
    return unpackTo(this.#client, await this.#target(image, options), options);
  }

  /** Stores the images of a tar archive, OCI layout or Docker's, and unpacks them. */
  async importArchive(
    archive: AsyncIterable<Uint8Array>,
    options: ArchiveImportSettings = {},
  ): Promise<readonly Image[]> {
    const { importImages } = await import("./image-archive.ts");
    return importImages(this.#client, archive, options);
  }

  /** Images as a tar archive that importers of OCI layouts and of Docker's form read. */
  async *exportArchive(names: readonly string[], options: ArchiveExportSettings = {}): AsyncIterable<Uint8Array> {
    const { exportImages } = await import("./image-archive.ts");
    yield* exportImages(this.#client, names, options);
  }

  /** The name of the snapshot that holds the whole unpacked image. */
  async chainID(image: string | Descriptor, settings: PlatformSettings = {}): Promise<string> {
    const { imageChainID } = await import("./image-content.ts");
    return imageChainID(this.#client, await this.#target(image, settings), settings);
  }

  async isUnpacked(image: string | Descriptor, settings: SnapshotterSettings = {}): Promise<boolean> {
    const { imageIsUnpacked } = await import("./image-content.ts");
    return imageIsUnpacked(this.#client, await this.#target(image, settings), settings);
  }

  /** What the image needs and what of it is there. */
  async check(image: string | Descriptor, settings: PlatformSettings = {}): Promise<ImageCheck> {
    const { checkImageContent } = await import("./image-content.ts");
    return checkImageContent(this.#client, await this.#target(image, settings), settings);
  }

  /** Bytes by the image's descriptors: index, manifest, config and layers. */
  async size(
    image: string | Descriptor,
    settings: PlatformSettings = {},
  ): Promise<{ readonly size: bigint; readonly fault: unknown }> {
    const { imageContentSize } = await import("./image-content.ts");
    return imageContentSize(this.#client, await this.#target(image, settings), settings);
  }

  /** Platforms whose manifest and config are there. */
  async platforms(image: string | Descriptor, settings: CallSettings = {}): Promise<readonly Platform[]> {
    const { imagePlatforms } = await import("./image-content.ts");
    return imagePlatforms(this.#client, await this.#target(image, settings), settings);
  }

  /** The configuration of the manifest that fits best, with its descriptor. */
  async config(
    image: string | Descriptor,
    settings: PlatformSettings = {},
  ): Promise<{ readonly descriptor: Descriptor; readonly config: ImageConfig }> {
    const { imageConfig } = await import("./image-content.ts");
    return imageConfig(this.#client, await this.#target(image, settings), settings);
  }

  async #target(image: string | Descriptor, settings: CallSettings): Promise<Descriptor> {
    return typeof image === "string" ? (await this.get(image, settings)).target : image;
  }

  get #service() {
    return this.#client.service(services.images);
  }
}

function targetFromWire(target: imagesV1.Image["target"]): Descriptor {
  if (target === undefined) throw noImage();
  return descriptorFromWire(target);
}

function imageFromWire(wire: imagesV1.Image | undefined): Image {
  if (wire === undefined) throw noImage();
  const { name, labels } = wire;
  const target = targetFromWire(wire.target);
  const createdAt = timestampFromWire(wire.createdAt);
  return { name, target, labels, createdAt, updatedAt: timestampFromWire(wire.updatedAt) };
}

function noImage(): ContainerdError {
  return new ContainerdError({ code: "internal", what: "cannot read images answer", why: "it has no image" });
}
