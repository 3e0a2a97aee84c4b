import { type imagesV1, protobufEmpty } from "@ctr/api";
import { parseDigest } from "@ctr/oci";
import { type ServiceImpl, wholeMessage } from "@ctr/rpc";
import {
  createImage,
  deleteImage,
  getImage,
  type ImageSummary,
  listImageSummaries,
  listImages,
  updateImage,
} from "../metadata/images.ts";
import { scopeOf } from "../scope.ts";
import { nanosOf } from "../store/clock.ts";
import type { Store } from "../store/store.ts";
import { asksOnly } from "./fields.ts";
import { descriptorFromWire, imageToWire, required } from "./wire.ts";

/** What lists show, as the wire names it. */
const SUMMARY = ["name", "target", "labels"];

/** containerd.services.images.v1.Images. */
export function imagesService(store: Store): ServiceImpl<typeof imagesV1.ImagesDefinition> {
  return {
    async get({ name }, context) {
      const { namespace } = scopeOf(context);
      return { image: imageToWire(store.db.read((tx) => getImage(tx, namespace, name))) };
    },

    async list({ filters }, context) {
      const { namespace } = scopeOf(context);
      if (filters.length === 0 && asksOnly(context, SUMMARY)) {
        const images = store.db.read((tx) => listImageSummaries(tx, namespace)).map(summaryToWire);
        return wholeMessage<imagesV1.ListImagesResponse>({ images });
      }
      return { images: store.db.read((tx) => listImages(tx, namespace, filters)).map(imageToWire) };
    },

    async create(req, context) {
      const scope = scopeOf(context);
      const { name, labels, target } = required(req.image, "image");
      const image = { name, labels, target: descriptorFromWire(required(target, "image.target")), time: timeOf(req) };
      return { image: imageToWire(store.db.write((tx) => createImage(store, tx, scope, image))) };
    },

    async update(req, context) {
      const scope = scopeOf(context);
      const { name, labels, target } = required(req.image, "image");
      const paths = req.updateMask ?? [];
      // Under a mask of labels clients send an empty target: the Go daemon dies without one.
      const names = target !== undefined && (target.digest !== "" || paths.length === 0 || paths.includes("target"));
      const given = names ? descriptorFromWire(target) : undefined;
      const change = { name, labels, target: given, time: timeOf(req) };
      return { image: imageToWire(store.db.write((tx) => updateImage(store, tx, scope, { change, paths }))) };
    },

    async delete(req, context) {
      const { namespace } = scopeOf(context);
      const digest = req.target === undefined ? undefined : parseDigest(req.target.digest);
      store.db.write((tx) => deleteImage(store, tx, namespace, req.name, digest));
      if (req.sync) await (await import("../gc/collect.ts")).collect(store, context);
      return protobufEmpty.Empty.fromPartial({});
    },
  };
}

function summaryToWire({ name, target, labels }: ImageSummary): imagesV1.Image {
  const { mediaType, digest, size, annotations } = target;
  const wire = { mediaType, digest, size, annotations: { ...annotations } };
  return { name, target: wire, labels: { ...labels }, createdAt: undefined, updatedAt: undefined };
}

function timeOf({ sourceDateEpoch }: imagesV1.CreateImageRequest | imagesV1.UpdateImageRequest): bigint | undefined {
  return sourceDateEpoch === undefined ? undefined : nanosOf(sourceDateEpoch);
}
